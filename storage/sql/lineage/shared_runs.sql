SELECT
    past.cluster AS previous,
    present.cluster AS cluster,
    count(*) AS n_images
FROM assignments AS past
JOIN assignments AS present ON present.key = past.key
WHERE past.run_id = $first AND present.run_id = $second
GROUP BY past.cluster, present.cluster
