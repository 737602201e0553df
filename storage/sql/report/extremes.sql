(
    SELECT 'typical' AS kind, key
    FROM assignments
    WHERE run_id = $run AND list_contains($clusters, cluster)
    ORDER BY distance, key
    LIMIT $count
)
UNION ALL
(
    SELECT 'unusual' AS kind, key
    FROM assignments
    WHERE run_id = $run
    ORDER BY distance DESC, key
    LIMIT $count
)
