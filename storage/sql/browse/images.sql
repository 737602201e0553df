-- A page of a kind's images; the order of equals is that of keys, so that pages do not overlap.
WITH placed AS (
    SELECT key, distance
    FROM assignments
    WHERE run_id = $run AND cluster = $cluster
),

shown AS (
    SELECT
        placed.key,
        placed.distance,
        min(image.path) AS path,
        min(image.label) AS label,
        max(image.taken_at) AS taken_at,
        count(*) AS files
    FROM placed
    JOIN runs AS run ON run.run_id = $run
    JOIN images AS image
        ON image.scan = run.scan
        AND image.collection = run.collection
        AND image.key = placed.key
    GROUP BY placed.key, placed.distance
)

SELECT *
FROM shown
ORDER BY
    if($order = 'newest', epoch(taken_at), NULL) DESC NULLS LAST,
    if($order = 'odd', -distance, distance),
    if($order = 'odd', key, NULL) DESC,
    key
LIMIT $count OFFSET $skipped
