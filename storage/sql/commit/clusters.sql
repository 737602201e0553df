SELECT
    $run_id AS run_id,
    cluster.cluster,
    named.name,
    cluster.size,
    cluster.caption,
    cluster.mean_distance,
    cluster.representatives
FROM read_parquet($clusters) AS cluster
JOIN read_parquet($named) AS named ON named.cluster = cluster.cluster
