SELECT
    run.collection,
    cluster.run_id,
    cluster.cluster,
    coalesce(traced.stable_id, cluster.cluster) AS stable_id,
    coalesce(pin.name, cluster.name) AS name,
    pin.name IS NOT NULL AS pinned
FROM clusters AS cluster
JOIN series AS run ON run.run_id = cluster.run_id
LEFT JOIN lineage AS traced
    ON traced.run_id = cluster.run_id AND traced.cluster = cluster.cluster
LEFT JOIN pins AS pin
    ON pin.series = run.series
    AND pin.stable_id = coalesce(traced.stable_id, cluster.cluster)
