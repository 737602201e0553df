SELECT
    captioned.key,
    captioned.caption,
    captioned.weight,
    count(*) OVER () AS n_weighed
FROM image_captions AS captioned
WHERE captioned.run_id = $run AND captioned.weight IS NOT NULL
ORDER BY captioned.weight, captioned.key
LIMIT $count
