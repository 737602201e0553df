-- Whether a run's images have labels.
SELECT count(image.label) > 0 AS labelled
FROM runs AS run
JOIN images AS image
    ON image.scan = run.scan AND image.collection = run.collection
WHERE run.run_id = $run
