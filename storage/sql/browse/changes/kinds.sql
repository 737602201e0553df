-- The kinds of two runs of one series by id; events where the one was compared with the other.
WITH kind AS (
    SELECT
        named.run_id,
        named.cluster_id,
        named.name,
        cluster.size,
        cluster.representatives[:5] AS keys
    FROM cluster_names AS named
    JOIN clusters AS cluster
        ON cluster.run_id = named.run_id AND cluster.cluster = named.cluster
    WHERE named.run_id IN ($first, $second)
),

past AS (
    SELECT *
    FROM kind
    WHERE run_id = $first
),

present AS (
    SELECT *
    FROM kind
    WHERE run_id = $second
)

SELECT
    coalesce(present.cluster_id, past.cluster_id) AS cluster_id,
    past.name AS old_name,
    present.name,
    past.size AS old_size,
    present.size,
    present.cluster_id IS NULL AS is_gone,
    past.cluster_id IS NULL AS is_new,
    coalesce(present.keys, past.keys) AS keys,
    coalesce(
        traced.event,
        CASE
            WHEN past.cluster_id IS NULL THEN 'born'
            WHEN present.cluster_id IS NULL THEN 'vanished'
            WHEN present.size > past.size THEN 'grew'
            WHEN present.size < past.size THEN 'shrank'
            ELSE 'same'
        END
    ) AS event,
    traced.related,
    traced.came,
    traced.went
FROM past
FULL JOIN present ON present.cluster_id = past.cluster_id
LEFT JOIN lineage AS traced
    ON traced.run_id = $second
    AND traced.previous_run_id = $first
    AND traced.stable_id = coalesce(present.cluster_id, past.cluster_id)
ORDER BY
    is_new OR is_gone DESC,
    abs(coalesce(present.size, 0) - coalesce(past.size, 0)) DESC,
    cluster_id
