-- Groups of near duplicates, the picture to keep first, then the most alike.
WITH copy AS (
    SELECT
        near.keep,
        near.key,
        near.change,
        near.agreement,
        near.cosine,
        min(image.path) AS path,
        min(image.width) AS width,
        min(image.height) AS height,
        min(image.bytes) AS bytes
    FROM runs AS run
    JOIN near_duplicates AS near
        ON near.scan = run.scan
        AND near.collection = run.collection
        AND near.encoder_fingerprint = run.encoder_fingerprint
    JOIN images AS image
        ON image.scan = run.scan
        AND image.collection = run.collection
        AND image.key = near.key
    WHERE run.run_id = $run
    GROUP BY ALL
)

SELECT
    keep AS key,
    list({
        'key': key, 'path': path, 'change': change, 'agreement': agreement, 'cosine': cosine,
        'width': width, 'height': height, 'bytes': bytes
    } ORDER BY key = keep DESC, agreement DESC, key) AS pictures,
    count(*) AS n,
    count(*) OVER () AS total
FROM copy
GROUP BY keep
ORDER BY n DESC, keep
LIMIT $count OFFSET $skipped
