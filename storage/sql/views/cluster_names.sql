SELECT
    run.collection,
    cluster.run_id,
    coalesce(cluster.stable_id, cluster.cluster) AS cluster_id,
    coalesce(
        cluster.pinned,
        cluster.name,
        if(cluster.cluster = -1, 'no kind', NULL),
        'unnamed ' || coalesce(cluster.stable_id, cluster.cluster)
    ) AS name,
    cluster.pinned IS NOT NULL AS pinned,
    coalesce(cluster.pinned, cluster.name) IS NOT NULL AS is_named,
    if(cluster.pinned IS NULL, cluster.name_confidence, NULL) AS name_confidence,
    if(cluster.pinned IS NULL, cluster.written_by, NULL) AS written_by,
    coalesce(cluster.stable_id, cluster.cluster) AS stable_id,
    cluster.cluster
FROM clusters AS cluster
JOIN runs AS run ON run.run_id = cluster.run_id
