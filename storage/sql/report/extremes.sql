(
    SELECT 'typical' AS kind, key
    FROM assignments
    WHERE run_id = $run
        AND cluster IN (SELECT cluster FROM clusters WHERE run_id = $run AND size > 2)
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
