SELECT
    flagged.flag,
    flagged.value,
    flagged.threshold
FROM runs AS run
JOIN quality_flags AS flagged
    ON flagged.scan = run.scan AND flagged.collection = run.collection
WHERE run.run_id = $run AND flagged.key = $key
ORDER BY flagged.flag
