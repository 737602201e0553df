-- Images that lie in the middle of a kind whose label is another: nearest to the centre first.
WITH placed AS (
    SELECT
        assignment.key,
        assignment.cluster,
        assignment.distance,
        image.label,
        min(image.path) AS path
    FROM runs AS run
    JOIN assignments AS assignment ON assignment.run_id = run.run_id
    JOIN images AS image
        ON image.scan = run.scan
        AND image.collection = run.collection
        AND image.key = assignment.key
    WHERE run.run_id = $run AND image.label IS NOT NULL AND assignment.cluster >= 0
    GROUP BY ALL
),

label_of AS (
    SELECT cluster, max_by(label, (n, label)) AS majority, max(n) / sum(n) AS share
    FROM (
        SELECT cluster, label, count(*) AS n
        FROM placed
        GROUP BY cluster, label
    )
    GROUP BY cluster
),

middle AS (
    SELECT cluster, avg(distance) AS distance
    FROM assignments
    WHERE run_id = $run
    GROUP BY cluster
)

SELECT
    placed.key,
    placed.path,
    placed.label,
    label_of.majority,
    label_of.share,
    placed.distance,
    named.cluster_id,
    named.name,
    count(*) OVER () AS total
FROM placed
JOIN label_of ON label_of.cluster = placed.cluster
JOIN middle ON middle.cluster = placed.cluster
LEFT JOIN cluster_names AS named
    ON named.run_id = $run AND named.cluster = placed.cluster
WHERE
    placed.label != label_of.majority
    AND label_of.share >= $purity
    AND placed.distance <= middle.distance
ORDER BY placed.distance, placed.key, placed.label
LIMIT $count OFFSET $skipped
