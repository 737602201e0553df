SELECT name, value
FROM metrics
WHERE run_id = $run
