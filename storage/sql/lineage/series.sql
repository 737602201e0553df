SELECT
    run.run_id,
    run.scan,
    run.config,
    if(relinked.run_id IS NULL, traced.previous_run_id, 'deleted') AS previous_run_id,
    coalesce(traced.last_id, run.n_clusters - 1) AS last_id,
    coalesce(warm.value > 0, false) AS warm
FROM runs AS run
JOIN series AS member ON member.run_id = run.run_id
LEFT JOIN (
    SELECT run_id, any_value(previous_run_id) AS previous_run_id, max(stable_id) AS last_id
    FROM lineage
    GROUP BY run_id
) AS traced ON traced.run_id = run.run_id
LEFT JOIN (
    SELECT run_id, max(value) AS value
    FROM metrics
    WHERE name = 'lineage.warm'
    GROUP BY run_id
) AS warm ON warm.run_id = run.run_id
LEFT JOIN (
    SELECT DISTINCT run_id
    FROM metrics
    WHERE name = 'lineage.relinked'
) AS relinked ON relinked.run_id = run.run_id
WHERE
    member.series = $series
    AND coalesce((run.config->>'$.lineage.enabled')::BOOLEAN, true) -- else it stands alone
ORDER BY run.finished_at, run.run_id
