SELECT
    run.collection,
    cluster.run_id,
    coalesce(cluster.stable_id, cluster.cluster) AS cluster_id,
    coalesce(cluster.pinned, cluster.name) AS name,
    cluster.pinned IS NOT NULL AS pinned,
    coalesce(cluster.stable_id, cluster.cluster) AS stable_id,
    cluster.cluster
FROM clusters AS cluster
JOIN runs AS run ON run.run_id = cluster.run_id
