SELECT
    run.collection,
    run.run_id,
    run.method,
    run.encoder,
    run.n_clusters,
    run.n_images,
    run.n_failed,
    run.finished_at,
    counted.runs,
    shown.keys
FROM latest_runs AS run
JOIN (
    SELECT collection, count(*) AS runs
    FROM runs
    GROUP BY collection
) AS counted ON counted.collection = run.collection
LEFT JOIN (
    SELECT
        run_id,
        list(representatives[1] ORDER BY size DESC, cluster)
            FILTER (WHERE representatives[1] IS NOT NULL)[:6] AS keys
    FROM clusters
    WHERE cluster >= 0
    GROUP BY run_id
) AS shown ON shown.run_id = run.run_id
ORDER BY run.finished_at DESC, run.collection
