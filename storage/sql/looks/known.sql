-- What was made of a collection under an encoder, the newest first; of $scan or of any.
SELECT
    scan,
    fingerprint
FROM looked
WHERE collection = $collection
    AND encoder_fingerprint = $encoder
    AND step = $step
    AND settings = $settings
ORDER BY made_at DESC
