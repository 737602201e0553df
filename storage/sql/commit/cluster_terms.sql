SELECT
    $run_id AS run_id,
    cluster,
    corpus,
    rank,
    term,
    mass,
    score
FROM read_parquet($terms)
