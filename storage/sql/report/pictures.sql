SELECT
    assignment.key,
    assignment.cluster,
    assignment.distance,
    named.name,
    min(image.path) AS path,
    arg_min(image.bytes, image.path) AS bytes,
    arg_min(image."offset", image.path) AS "offset"
FROM assignments AS assignment
JOIN runs AS run ON run.run_id = assignment.run_id
JOIN images AS image
    ON image.scan = run.scan
    AND image.collection = run.collection
    AND image.key = assignment.key
LEFT JOIN cluster_names AS named
    ON named.run_id = run.run_id AND named.cluster = assignment.cluster
WHERE assignment.run_id = $run AND list_contains($keys, assignment.key)
GROUP BY assignment.key, assignment.cluster, assignment.distance, named.name
