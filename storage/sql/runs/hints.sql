SELECT
    failure.error,
    count(*) AS n_images
FROM failures AS failure
JOIN runs AS run
    ON run.scan = failure.scan AND run.collection = failure.collection
WHERE
    run.run_id = $run
    AND failure.error_code = 'unsupported_format'
    AND contains(failure.error, 'pip install')
GROUP BY failure.error
ORDER BY n_images DESC, failure.error
