-- The near duplicates of an image, where they were looked for.
WITH group_of AS (
    SELECT near.scan, near.collection, near.encoder_fingerprint, near.keep
    FROM runs AS run
    JOIN near_duplicates AS near
        ON near.scan = run.scan
        AND near.collection = run.collection
        AND near.encoder_fingerprint = run.encoder_fingerprint
    WHERE run.run_id = $run AND near.key = $key
)

SELECT
    near.key,
    near.key = near.keep AS keep,
    near.change,
    near.agreement,
    min(image.path) AS path
FROM group_of
JOIN near_duplicates AS near
    ON near.scan = group_of.scan
    AND near.collection = group_of.collection
    AND near.encoder_fingerprint = group_of.encoder_fingerprint
    AND near.keep = group_of.keep
JOIN images AS image
    ON image.scan = near.scan AND image.collection = near.collection AND image.key = near.key
WHERE near.key <> $key
GROUP BY near.key, near.keep, near.change, near.agreement
ORDER BY near.agreement DESC, near.key
LIMIT 24
