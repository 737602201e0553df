SELECT *
FROM latest_runs
ORDER BY finished_at DESC, run_id DESC
LIMIT 1
