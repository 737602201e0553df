SELECT cluster, name, size, coalesce(stable_id, cluster) AS stable_id, written_by
FROM clusters
WHERE run_id = $run
ORDER BY cluster < 0, cluster -- images in no cluster are the last
