path IN (
    SELECT path FROM images JOIN runs USING (scan, collection)
    WHERE run_id = $run AND status = 'ok'
    QUALIFY row_number() OVER (PARTITION BY key ORDER BY path) > 1)
