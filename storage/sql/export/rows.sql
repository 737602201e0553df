-- The images of a run that have a kind, with everything that is known of each.
SELECT
    image.path,
    image.key,
    named.cluster_id,
    named.name,
    assignment.distance,
    image.label,
    image.split,
    image.width,
    image.height,
    image.format,
    image.bytes,
    image.taken_at,
    image.camera_make,
    image.camera_model,
    image.latitude,
    image.longitude,
    image."offset",
    if(contains(image.path, '://'), image.path,
        root.root || replace(url_encode(image.path), '%2F', '/')) AS uri
FROM runs AS run
JOIN images AS image
    ON image.scan = run.scan AND image.collection = run.collection
JOIN assignments AS assignment
    ON assignment.run_id = run.run_id AND assignment.key = image.key
LEFT JOIN cluster_names AS named
    ON named.run_id = run.run_id AND named.cluster = assignment.cluster
LEFT JOIN roots AS root ON root.collection = run.collection
WHERE run.run_id = $run AND image.status = 'ok'
