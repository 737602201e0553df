WITH named AS (
    SELECT * FROM read_parquet($named)
    UNION ALL BY NAME
    SELECT NULL::BIGINT AS stable_id WHERE false -- without lineage there is none
)
SELECT
    $run_id AS run_id,
    cluster.cluster,
    named.name,
    cluster.size,
    cluster.caption,
    cluster.mean_distance,
    cluster.representatives,
    coalesce(named.stable_id, cluster.cluster) AS stable_id,
    pin.name AS pinned
FROM read_parquet($clusters) AS cluster
JOIN named ON named.cluster = cluster.cluster
LEFT JOIN pins AS pin
    ON pin.series = $series
    AND pin.stable_id = coalesce(named.stable_id, cluster.cluster)
