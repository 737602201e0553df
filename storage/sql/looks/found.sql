-- Images that were found, the nearest first: the first path of each.
SELECT
    hit.score,
    min(image.path) AS path,
    named.name,
    named.cluster_id,
    hit.key
FROM (SELECT unnest($keys) AS key, unnest($scores) AS score) AS hit
JOIN runs AS run ON run.run_id = $run
JOIN images AS image
    ON image.scan = run.scan AND image.collection = run.collection AND image.key = hit.key
LEFT JOIN assignments AS assignment
    ON assignment.run_id = run.run_id AND assignment.key = hit.key
LEFT JOIN cluster_names AS named
    ON named.run_id = run.run_id AND named.cluster = assignment.cluster
GROUP BY hit.score, named.name, named.cluster_id, hit.key
ORDER BY hit.score DESC, path
