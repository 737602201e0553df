key IN (
    SELECT key FROM quality_flags JOIN runs USING (scan, collection)
    WHERE run_id = $run AND flag = $flag)
