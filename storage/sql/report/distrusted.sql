SELECT
    told.key,
    told.caption,
    told.weight,
    count(*) OVER () AS n_weighed
FROM image_captions AS told
WHERE told.run_id = $run AND told.weight IS NOT NULL
ORDER BY told.weight, told.key
LIMIT $count
