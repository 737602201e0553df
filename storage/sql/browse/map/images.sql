-- What is said of some images of a run, in the order of their keys as given.
SELECT
    sought.key,
    min(image.path) AS path,
    min(named.cluster_id) AS cluster_id,
    min(named.name) AS name
FROM (SELECT unnest($keys) AS key, generate_subscripts($keys, 1) AS place) AS sought
JOIN runs AS run ON run.run_id = $run
JOIN images AS image
    ON image.scan = run.scan AND image.collection = run.collection AND image.key = sought.key
LEFT JOIN assignments AS assignment
    ON assignment.run_id = run.run_id AND assignment.key = sought.key
LEFT JOIN cluster_names AS named
    ON named.run_id = run.run_id AND named.cluster = assignment.cluster
GROUP BY sought.key, sought.place
ORDER BY sought.place
