WITH weighed AS (
    SELECT * FROM read_parquet($weights)
    UNION ALL BY NAME
    SELECT NULL::FLOAT AS weight WHERE false -- a method that weighs no caption has none
),

captioned AS (
    SELECT * FROM read_parquet($captions)
    UNION ALL BY NAME
    SELECT NULL::VARCHAR AS captioner, NULL::VARCHAR AS error_code WHERE false -- of a column
)

SELECT
    $run_id AS run_id,
    captioned.key,
    coalesce(captioned.captioner, 'column') AS captioner,
    captioned.text AS caption,
    coalesce(captioned.error_code, if(captioned.text IS NULL, 'no_caption', NULL)) AS error_code,
    if(isnan(weighed.weight), NULL, weighed.weight) AS weight -- Parquet's statistics hide NaN from =
FROM captioned
LEFT JOIN weighed USING (key)
