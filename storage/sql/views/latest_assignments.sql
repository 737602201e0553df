-- Names come from clusters, which keep them: each further table would cost as much as the images.
-- IS NOT DISTINCT FROM: an equality is tried on every file first, which the scan and the run
-- suffice for, and costs a look into the catalogue.
SELECT
    run.collection,
    run.run_id,
    image.path,
    image.label,
    image.split,
    image.key,
    coalesce(named.stable_id, named.cluster) AS cluster_id,
    coalesce(
        named.pinned,
        named.name,
        if(named.cluster = -1, 'no kind', NULL),
        'unnamed ' || coalesce(named.stable_id, named.cluster)
    ) AS name,
    assignment.distance,
    assignment.w_image,
    assignment.w_noun,
    assignment.w_caption,
    coalesce(named.stable_id, named.cluster) AS stable_id,
    if(contains(image.path, '://'), image.path,
        root.root || replace(url_encode(image.path), '%2F', '/')) AS uri,
    assignment.cluster
FROM latest_runs AS run
JOIN assignments AS assignment ON assignment.run_id = run.run_id
JOIN images AS image
    ON image.scan = run.scan
    AND image.collection IS NOT DISTINCT FROM run.collection
    AND image.key IS NOT DISTINCT FROM assignment.key
LEFT JOIN clusters AS named
    ON named.run_id = run.run_id AND named.cluster = assignment.cluster
LEFT JOIN roots AS root ON root.collection = run.collection
