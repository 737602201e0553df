DELETE FROM looked
WHERE scan = $scan
    AND collection = $collection
    AND encoder_fingerprint = $encoder
    AND step = $step
