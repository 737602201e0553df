-- Figures with a dot in their name are of a step or of one class; `FROM metrics` has them all.
SELECT
    run.run_id,
    run.collection,
    list(metric.name ORDER BY metric.name) FILTER (WHERE metric.name IS NOT NULL) AS names,
    list(metric.value ORDER BY metric.name) FILTER (WHERE metric.name IS NOT NULL) AS figures
FROM runs AS run
LEFT JOIN metrics AS metric
    ON metric.run_id = run.run_id AND NOT contains(metric.name, '.')
WHERE run.run_id = $run
GROUP BY run.run_id, run.collection
