key IN (
    SELECT key FROM assignments WHERE run_id = $run AND cluster >= 0
    QUALIFY row_number() OVER (PARTITION BY cluster ORDER BY distance DESC, key)
        <= least($most, ceil($share * count(*) OVER (PARTITION BY cluster)))
        AND count(*) OVER (PARTITION BY cluster) > 1)
