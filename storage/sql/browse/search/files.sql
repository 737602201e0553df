-- The files of a run's scan that fulfil what is asked; what is NULL asks nothing.
SELECT
    image.path,
    image.key,
    image.label,
    image.status,
    image.error_code,
    image.taken_at
FROM runs AS run
JOIN images AS image
    ON image.scan = run.scan AND image.collection = run.collection
WHERE
    run.run_id = $run
    AND ($label IS NULL OR image.label = $label)
    AND ($split IS NULL OR image.split = $split)
    AND ($status IS NULL OR image.status = $status)
    AND ($folder IS NULL OR starts_with(image.path, $folder))
    AND ($since IS NULL OR image.taken_at >= $since::DATE)
    AND ($until IS NULL OR image.taken_at < $until::DATE + INTERVAL 1 DAY)
    AND (
        $cluster IS NULL
        OR image.key IN (
            SELECT key
            FROM assignments
            WHERE run_id = $run AND cluster = $cluster
        )
    )
