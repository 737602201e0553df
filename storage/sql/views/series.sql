SELECT
    run_id,
    collection,
    series
FROM runs
