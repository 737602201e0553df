SELECT
    failure.collection,
    failure.error_code,
    count(*) AS n_images,
    min(failure.path) AS example,
    min(failure.error) AS error
FROM failures AS failure
JOIN latest_runs AS run
    ON run.scan = failure.scan AND run.collection = failure.collection
GROUP BY failure.collection, failure.error_code
ORDER BY failure.collection, n_images DESC, failure.error_code
