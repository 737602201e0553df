-- Every file of a content in a run's scan, and what is known of each.
SELECT
    image.path,
    image.key,
    image.label,
    image.split,
    image.width,
    image.height,
    image.format,
    image.bytes,
    image.taken_at,
    image.camera_make,
    image.camera_model,
    image.latitude,
    image.longitude,
    image.status,
    image.error_code,
    image.flag,
    count(*) OVER () AS files
FROM runs AS run
JOIN images AS image
    ON image.scan = run.scan AND image.collection = run.collection
WHERE run.run_id = $run AND image.key = $key
ORDER BY image.path
LIMIT 100
