SELECT
    $run_id AS run_id,
    assignment.key,
    assignment.cluster,
    assignment.distance,
    weight.w_image,
    weight.w_noun,
    weight.w_caption
FROM read_parquet($assignments) AS assignment
LEFT JOIN read_parquet($weights) AS weight USING (key)
