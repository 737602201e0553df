SELECT
    run.collection,
    $first AS previous_run_id,
    run.run_id
FROM runs AS run
WHERE run.run_id = $second
