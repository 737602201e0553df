-- Whether a run's images have labels that tell something, as in tasks/labels/compared.py.
SELECT
    count(DISTINCT image.label) > 1
    AND count(DISTINCT image.label) < count(image.label) AS labelled
FROM runs AS run
JOIN images AS image
    ON image.scan = run.scan AND image.collection = run.collection
WHERE run.run_id = $run
