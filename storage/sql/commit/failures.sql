SELECT
    $scan AS scan,
    $collection AS collection,
    image.path,
    image.key,
    coalesce(image.error_code, broken.error_code) AS error_code,
    coalesce(image.error, broken.error) AS error
FROM read_parquet($images) AS image
LEFT JOIN (
    SELECT key, min(error_code) AS error_code, min(error) AS error
    FROM read_parquet($undecodable)
    GROUP BY key
) AS broken USING (key)
WHERE image.status = 'failed' OR broken.key IS NOT NULL
