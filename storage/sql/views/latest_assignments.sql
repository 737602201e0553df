SELECT
    run.collection,
    run.run_id,
    image.path,
    image.label,
    image.key,
    assignment.cluster,
    cluster.name,
    assignment.distance,
    assignment.w_image,
    assignment.w_noun,
    assignment.w_caption
FROM latest_runs AS run
JOIN assignments AS assignment ON assignment.run_id = run.run_id
JOIN images AS image
    ON image.scan = run.scan
    AND image.collection = run.collection
    AND image.key = assignment.key
LEFT JOIN clusters AS cluster
    ON cluster.run_id = run.run_id AND cluster.cluster = assignment.cluster
