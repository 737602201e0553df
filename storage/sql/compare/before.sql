-- The run that a run is compared with: the one it follows, else the collection's last one before.
SELECT past.run_id, traced.run_id IS NOT NULL AS follows
FROM runs AS run
JOIN runs AS past
    ON past.collection = run.collection
    AND (past.finished_at, past.run_id) < (run.finished_at, run.run_id)
LEFT JOIN (
    SELECT DISTINCT run_id, previous_run_id
    FROM lineage
) AS traced
    ON traced.run_id = run.run_id AND traced.previous_run_id = past.run_id
WHERE run.run_id = $run
ORDER BY follows DESC, past.finished_at DESC, past.run_id DESC
LIMIT 1
