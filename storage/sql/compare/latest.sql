SELECT DISTINCT
    run.collection,
    traced.previous_run_id,
    run.run_id
FROM latest_runs AS run
JOIN lineage AS traced ON traced.run_id = run.run_id
WHERE traced.previous_run_id IS NOT NULL
