SELECT
    $run_id AS run_id,
    cluster,
    name,
    size,
    caption,
    mean_distance,
    representatives
FROM read_parquet($clusters)
