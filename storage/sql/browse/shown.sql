-- Every image of a run as it is shown in a list: its first path, its label, where it was put.
SELECT
    image.key,
    image.path,
    image.label,
    assignment.cluster
FROM runs AS run
JOIN images AS image
    ON image.scan = run.scan AND image.collection = run.collection
LEFT JOIN assignments AS assignment
    ON assignment.run_id = $run AND assignment.key = image.key
WHERE run.run_id = $run AND image.status = 'ok'
