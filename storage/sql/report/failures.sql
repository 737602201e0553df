SELECT
    failure.error_code,
    count(*) AS n_images,
    min(failure.error) AS error,
    list(failure.path ORDER BY failure.path)[1:3] AS examples
FROM failures AS failure
JOIN runs AS run
    ON run.scan = failure.scan AND run.collection = failure.collection
WHERE run.run_id = $run
GROUP BY failure.error_code
ORDER BY n_images DESC, failure.error_code
