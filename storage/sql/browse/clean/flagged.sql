-- The images with a flag, the worst first.
SELECT
    flagged.key,
    min(image.path) AS path,
    flagged.value,
    flagged.threshold,
    min(image.width) AS width,
    min(image.height) AS height,
    count(*) OVER () AS total
FROM runs AS run
JOIN quality_flags AS flagged
    ON flagged.scan = run.scan AND flagged.collection = run.collection
JOIN images AS image
    ON image.scan = run.scan
    AND image.collection = run.collection
    AND image.key = flagged.key
WHERE run.run_id = $run AND flagged.flag = $flag
GROUP BY flagged.key, flagged.value, flagged.threshold
ORDER BY flagged.value, flagged.key
LIMIT $count OFFSET $skipped
