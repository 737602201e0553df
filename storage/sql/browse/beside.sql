-- The images before and after one in its kind, typical ones first.
(
    SELECT 'before' AS side, key
    FROM assignments
    WHERE
        run_id = $run
        AND cluster = $cluster
        AND (distance, key) < ($distance::FLOAT, $key)
    ORDER BY distance DESC, key DESC
    LIMIT 1
)
UNION ALL
(
    SELECT 'after' AS side, key
    FROM assignments
    WHERE
        run_id = $run
        AND cluster = $cluster
        AND (distance, key) > ($distance::FLOAT, $key)
    ORDER BY distance, key
    LIMIT 1
)
