-- By kind, the images farthest from its centre: a share of it, and not too many.
WITH placed AS (
    SELECT
        key,
        cluster,
        distance,
        row_number() OVER (PARTITION BY cluster ORDER BY distance DESC, key) AS place,
        count(*) OVER (PARTITION BY cluster) AS n
    FROM assignments
    WHERE run_id = $run AND cluster >= 0
)

SELECT
    placed.key,
    min(image.path) AS path,
    min(named.cluster_id) AS cluster_id,
    min(named.name) AS name,
    placed.distance,
    placed.place,
    count(*) OVER () AS total
FROM placed
JOIN runs AS run ON run.run_id = $run
JOIN images AS image
    ON image.scan = run.scan AND image.collection = run.collection AND image.key = placed.key
LEFT JOIN cluster_names AS named
    ON named.run_id = run.run_id AND named.cluster = placed.cluster
WHERE placed.n > 1 AND placed.place <= least($most, ceil($share * placed.n))
GROUP BY placed.key, placed.cluster, placed.distance, placed.place
ORDER BY cluster_id, placed.place
LIMIT $count OFFSET $skipped
