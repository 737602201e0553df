SELECT
    $scan AS scan,
    $collection AS collection,
    image.path,
    image.key,
    image.label,
    image.width,
    image.height,
    image.format,
    image.bytes,
    image."offset",
    if(broken.key IS NULL, image.status, 'failed') AS status,
    coalesce(image.error_code, broken.error_code) AS error_code
FROM read_parquet($images) AS image
LEFT JOIN (
    SELECT key, min(error_code) AS error_code
    FROM read_parquet($undecodable)
    GROUP BY key
) AS broken USING (key)
