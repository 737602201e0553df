WITH past AS (
    SELECT
        assignment.key,
        if($level = 1, fine.parent, kind.parent) AS kind
    FROM assignments AS assignment
    JOIN cluster_nodes AS fine
        ON fine.run_id = assignment.run_id
        AND fine.level = 0
        AND fine.node = assignment.cluster
    LEFT JOIN cluster_nodes AS kind
        ON kind.run_id = fine.run_id AND kind.level = 1 AND kind.node = fine.parent
    WHERE assignment.run_id = $run
)

SELECT
    past.kind AS previous,
    present.cluster AS cluster,
    count(*) AS n_images
FROM past
JOIN read_parquet($assignments) AS present ON present.key = past.key
WHERE past.kind IS NOT NULL
GROUP BY past.kind, present.cluster
