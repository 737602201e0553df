SELECT
    $run_id AS run_id,
    cluster,
    corpus,
    rank,
    term,
    mass,
    score,
    confidence
FROM (
    SELECT * FROM read_parquet($terms)
    UNION ALL BY NAME
    SELECT NULL::FLOAT AS confidence WHERE false -- of before terms had one
)
