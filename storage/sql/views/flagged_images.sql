SELECT
    run.collection,
    run.run_id,
    flagged.flag,
    image.path,
    flagged.value,
    flagged.threshold,
    image.width,
    image.height,
    flagged.key
FROM latest_runs AS run
JOIN quality_flags AS flagged
    ON flagged.scan = run.scan AND flagged.collection = run.collection
JOIN images AS image
    ON image.scan = run.scan
    AND image.collection = run.collection
    AND image.key = flagged.key
ORDER BY run.collection, flagged.flag, flagged.value, image.path
