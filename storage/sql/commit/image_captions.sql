WITH weighed AS (
    SELECT * FROM read_parquet($weights)
    UNION ALL BY NAME
    SELECT NULL::FLOAT AS weight WHERE false -- a method that weighs no caption has none
)
SELECT
    $run_id AS run_id,
    captioned.key,
    captioned.captioner,
    captioned.text AS caption,
    captioned.error_code,
    nullif(weighed.weight, 'nan'::FLOAT) AS weight
FROM read_parquet($captions) AS captioned
LEFT JOIN weighed USING (key)
