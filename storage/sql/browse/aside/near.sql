key IN (
    SELECT key FROM near_duplicates JOIN runs USING (scan, collection, encoder_fingerprint)
    WHERE run_id = $run AND key != keep)
