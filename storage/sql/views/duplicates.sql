-- Of the newest run of each collection: files of the same bytes, and pictures that are copies.
WITH file AS (
    SELECT run.collection, run.run_id, run.encoder_fingerprint, image.scan, image.key, image.path
    FROM latest_runs AS run
    JOIN images AS image ON image.scan = run.scan AND image.collection = run.collection
    WHERE image.status = 'ok'
),

exact AS (
    SELECT
        collection,
        run_id,
        'exact' AS kind,
        key AS group_key,
        path,
        key,
        row_number() OVER (PARTITION BY collection, key ORDER BY path) = 1 AS keep,
        'same bytes' AS change,
        1::FLOAT AS agreement,
        1::FLOAT AS cosine,
        count(*) OVER (PARTITION BY collection, key) AS n
    FROM file
    QUALIFY n > 1
),

near AS (
    SELECT
        file.collection,
        file.run_id,
        'near' AS kind,
        near.keep AS group_key,
        min(file.path) AS path,
        near.key,
        near.key = near.keep AS keep,
        near.change,
        near.agreement,
        near.cosine,
        near.n
    FROM near_duplicates AS near
    JOIN file
        ON file.scan = near.scan
        AND file.collection = near.collection
        AND file.encoder_fingerprint = near.encoder_fingerprint
        AND file.key = near.key
    GROUP BY ALL
)

SELECT * FROM exact
UNION ALL BY NAME
SELECT * FROM near
ORDER BY collection, kind, group_key, keep DESC, path
