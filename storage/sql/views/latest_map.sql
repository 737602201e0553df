SELECT
    run.collection,
    run.run_id,
    point.key,
    point.x,
    point.y,
    named.cluster_id,
    named.name,
    assignment.distance
FROM latest_runs AS run
JOIN map_points AS point
    ON point.scan = run.scan
    AND point.collection = run.collection
    AND point.encoder_fingerprint = run.encoder_fingerprint
LEFT JOIN assignments AS assignment
    ON assignment.run_id = run.run_id AND assignment.key = point.key
LEFT JOIN cluster_names AS named
    ON named.run_id = run.run_id AND named.cluster = assignment.cluster
