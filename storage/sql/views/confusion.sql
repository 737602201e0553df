SELECT
    run.collection,
    run.run_id,
    named.cluster_id,
    named.name,
    image.label,
    count(*) AS n_images,
    run.labels_used,
    assignment.cluster
FROM runs AS run
JOIN assignments AS assignment ON assignment.run_id = run.run_id
JOIN images AS image
    ON image.scan = run.scan
    AND image.collection = run.collection
    AND image.key = assignment.key
LEFT JOIN cluster_names AS named
    ON named.run_id = run.run_id AND named.cluster = assignment.cluster
WHERE image.label IS NOT NULL
GROUP BY
    run.collection, run.run_id, assignment.cluster, named.cluster_id, named.name, image.label,
    run.labels_used
