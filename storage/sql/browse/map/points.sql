-- Where the images of a run lie on the map, by key, and what points are coloured by.
WITH own AS (
    SELECT scan, collection, encoder_fingerprint
    FROM runs
    WHERE run_id = $run
),

before AS (
    SELECT key, true AS was_there
    FROM assignments
    WHERE run_id = (SELECT max(previous_run_id) FROM lineage WHERE run_id = $run)
),

fact AS (
    SELECT image.key, min(image.label) AS label, min(image.taken_at) AS taken_at
    FROM own
    JOIN images AS image
        ON image.scan = own.scan AND image.collection = own.collection
    WHERE image.status = 'ok'
    GROUP BY image.key
)

SELECT
    point.key,
    point.x,
    point.y,
    assignment.cluster,
    fact.label,
    fact.taken_at,
    before.was_there IS NULL AS is_new
FROM own
JOIN map_points AS point
    ON point.scan = own.scan
    AND point.collection = own.collection
    AND point.encoder_fingerprint = own.encoder_fingerprint
JOIN assignments AS assignment
    ON assignment.run_id = $run AND assignment.key = point.key
LEFT JOIN fact ON fact.key = point.key
LEFT JOIN before ON before.key = point.key
ORDER BY point.key
