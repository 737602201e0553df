-- The images of each cluster that are nearest to its centre.
SELECT
    cluster,
    min_by(key, distance, $count) AS keys
FROM assignments
WHERE run_id = $run
GROUP BY cluster
