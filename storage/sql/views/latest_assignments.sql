SELECT
    run.collection,
    run.run_id,
    image.path,
    image.label,
    image.key,
    assignment.cluster,
    named.stable_id,
    named.name,
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
LEFT JOIN cluster_names AS named
    ON named.run_id = run.run_id AND named.cluster = assignment.cluster
