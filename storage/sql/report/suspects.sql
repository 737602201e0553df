-- Images whose label is not their kind's, in kinds that are mostly of one label: the nearest first.
WITH major AS (
    SELECT
        cluster,
        max_by(label, (n_images, label)) AS label
    FROM confusion
    WHERE run_id = $run AND cluster >= 0
    GROUP BY cluster
    HAVING max(n_images) >= $purity * sum(n_images)
)

SELECT
    assignment.key,
    min(image.label) AS label,
    major.label AS expected,
    assignment.distance
FROM assignments AS assignment
JOIN major ON major.cluster = assignment.cluster
JOIN clusters AS cluster
    ON cluster.run_id = assignment.run_id AND cluster.cluster = assignment.cluster
JOIN runs AS run ON run.run_id = assignment.run_id
JOIN images AS image
    ON image.scan = run.scan
    AND image.collection = run.collection
    AND image.key = assignment.key
WHERE
    assignment.run_id = $run
    AND image.label != major.label
    AND assignment.distance <= cluster.mean_distance
GROUP BY assignment.key, major.label, assignment.distance
ORDER BY assignment.distance, assignment.key
LIMIT $count
