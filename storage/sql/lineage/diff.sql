WITH past AS (
    SELECT assignment.key, named.stable_id AS id, named.name
    FROM assignments AS assignment
    JOIN cluster_names AS named
        ON named.run_id = assignment.run_id AND named.cluster = assignment.cluster
    WHERE assignment.run_id = $first
),

present AS (
    SELECT assignment.key, named.stable_id AS id, named.name
    FROM assignments AS assignment
    JOIN cluster_names AS named
        ON named.run_id = assignment.run_id AND named.cluster = assignment.cluster
    WHERE assignment.run_id = $second
)

SELECT
    past.id AS from_id,
    past.name AS from_name,
    present.id AS to_id,
    present.name AS to_name,
    count(*) AS n_images
FROM past
FULL JOIN present ON present.key = past.key
WHERE $all OR past.id IS DISTINCT FROM present.id
GROUP BY ALL
ORDER BY n_images DESC, from_id, to_id
