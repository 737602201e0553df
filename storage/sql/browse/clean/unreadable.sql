SELECT
    failure.path,
    failure.error_code,
    failure.error,
    count(*) OVER () AS total
FROM runs AS run
JOIN failures AS failure
    ON failure.scan = run.scan AND failure.collection = run.collection
WHERE run.run_id = $run
ORDER BY failure.error_code, failure.path
LIMIT $count OFFSET $skipped
