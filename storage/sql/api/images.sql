SELECT
    image.path,
    image.key,
    image.label,
    image.split,
    image.status,
    image.error_code,
    named.cluster_id,
    named.name,
    assignment.distance,
    assignment.w_image,
    assignment.w_noun,
    assignment.w_caption,
    named.stable_id
FROM runs AS run
JOIN images AS image
    ON image.scan = run.scan AND image.collection = run.collection
LEFT JOIN assignments AS assignment
    ON assignment.run_id = run.run_id AND assignment.key = image.key
LEFT JOIN cluster_names AS named
    ON named.run_id = run.run_id AND named.cluster = assignment.cluster
WHERE run.run_id = $run
ORDER BY image.path
