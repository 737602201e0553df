SELECT
    past.cluster AS previous,
    present.cluster AS cluster,
    count(*) AS n_images
FROM assignments AS past
JOIN read_parquet($assignments) AS present ON present.key = past.key
WHERE past.run_id = $run
GROUP BY past.cluster, present.cluster
