SELECT
    $scan AS scan,
    $collection AS collection,
    image.path,
    image.key,
    image.label,
    image.split,
    image.width,
    image.height,
    image.format,
    image.bytes,
    image."offset",
    if(broken.key IS NULL, image.status, 'failed') AS status,
    coalesce(image.error_code, broken.error_code) AS error_code,
    if(broken.key IS NULL, image.flag, NULL) AS flag,
    image.taken_at,
    image.camera_make,
    image.camera_model,
    image.latitude,
    image.longitude,
    image.orientation,
    image.color_profile
FROM (
    -- A scan of an earlier version lacks the newest columns.
    SELECT
        NULL::VARCHAR AS split,
        NULL::VARCHAR AS flag,
        NULL::TIMESTAMP AS taken_at,
        NULL::VARCHAR AS camera_make,
        NULL::VARCHAR AS camera_model,
        NULL::DOUBLE AS latitude,
        NULL::DOUBLE AS longitude,
        NULL::SMALLINT AS orientation,
        NULL::VARCHAR AS color_profile
    WHERE false
    UNION ALL BY NAME
    SELECT * FROM read_parquet($images)
) AS image
LEFT JOIN (
    SELECT key, min(error_code) AS error_code
    FROM read_parquet($undecodable)
    GROUP BY key
) AS broken USING (key)
