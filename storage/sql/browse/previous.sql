SELECT max(previous_run_id) AS previous_run_id
FROM lineage
WHERE run_id = $run
