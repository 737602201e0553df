SELECT
    cluster.cluster,
    cluster.name,
    cluster.size,
    coalesce(traced.stable_id, cluster.cluster) AS stable_id
FROM clusters AS cluster
LEFT JOIN lineage AS traced
    ON traced.run_id = cluster.run_id AND traced.cluster = cluster.cluster
WHERE cluster.run_id = $run
ORDER BY cluster.cluster
