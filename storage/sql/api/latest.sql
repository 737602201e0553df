SELECT run_id, collection
FROM latest_runs
ORDER BY finished_at DESC, run_id DESC
