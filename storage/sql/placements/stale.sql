DELETE FROM placements
WHERE
    run_id = $run
    AND source = $source
    AND (path, coalesce(key, '')) IN (SELECT (path, coalesce(key, '')) FROM read_parquet($file));
