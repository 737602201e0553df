SELECT
    count(*) FILTER (WHERE image.status = 'ok' AND broken.key IS NULL) AS n_images,
    count(*) FILTER (WHERE image.status = 'failed' OR broken.key IS NOT NULL) AS n_failed
FROM read_parquet($images) AS image
LEFT JOIN (SELECT DISTINCT key FROM read_parquet($undecodable)) AS broken USING (key)
