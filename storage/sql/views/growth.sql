SELECT
    run.collection,
    run.method,
    named.cluster_id,
    named.name,
    named.run_id,
    run.finished_at,
    cluster.size,
    cluster.size / nullif(run.n_images, 0) AS share,
    named.stable_id,
    named.cluster
FROM cluster_names AS named
JOIN runs AS run ON run.run_id = named.run_id
JOIN clusters AS cluster
    ON cluster.run_id = named.run_id AND cluster.cluster = named.cluster
