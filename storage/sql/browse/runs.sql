SELECT
    run.run_id,
    run.method,
    run.encoder,
    run.n_clusters,
    run.n_images,
    run.n_failed,
    run.random_state,
    run.finished_at,
    coalesce(run.wall_seconds, run.seconds) AS seconds,
    figure.acc,
    figure.nmi,
    changed.previous_run_id,
    changed.came,
    changed.went,
    changed.born,
    changed.ended
FROM runs AS run
LEFT JOIN (
    SELECT
        run_id,
        max(value) FILTER (WHERE name = 'acc') AS acc,
        max(value) FILTER (WHERE name = 'nmi') AS nmi
    FROM metrics
    WHERE name IN ('acc', 'nmi')
    GROUP BY run_id
) AS figure ON figure.run_id = run.run_id
LEFT JOIN (
    SELECT
        run_id,
        max(previous_run_id) AS previous_run_id,
        sum(came) AS came,
        sum(went) AS went,
        count(*) FILTER (WHERE event IN ('born', 'split')) AS born,
        count(*) FILTER (WHERE event IN ('vanished', 'merged')) AS ended
    FROM lineage
    GROUP BY run_id
) AS changed ON changed.run_id = run.run_id
WHERE run.collection = $collection
ORDER BY run.finished_at DESC, run.run_id DESC
LIMIT $count OFFSET $skipped
