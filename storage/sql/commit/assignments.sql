WITH assigned AS (
    SELECT * FROM read_parquet($assignments)
    UNION ALL BY NAME
    SELECT NULL::FLOAT AS probability WHERE false -- k-means has none
)
SELECT
    $run_id AS run_id,
    assignment.key,
    assignment.cluster,
    assignment.distance,
    assignment.probability,
    weight.w_image,
    weight.w_noun,
    weight.w_caption
FROM assigned AS assignment
LEFT JOIN read_parquet($weights) AS weight USING (key)
