SELECT
    run.collection,
    cluster.run_id,
    cluster.cluster,
    coalesce(cluster.stable_id, cluster.cluster) AS stable_id,
    coalesce(cluster.pinned, cluster.name) AS name,
    cluster.pinned IS NOT NULL AS pinned
FROM clusters AS cluster
JOIN runs AS run ON run.run_id = cluster.run_id
