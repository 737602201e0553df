-- What has been made of a run's images for looking.
SELECT
    looked.step,
    looked.n_rows,
    looked.made_at
FROM looked
JOIN runs AS run
    ON run.scan = looked.scan
    AND run.collection = looked.collection
    AND run.encoder_fingerprint = looked.encoder_fingerprint
WHERE run.run_id = $run
