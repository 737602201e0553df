SELECT cluster, cluster_id, name, label, n_images
FROM confusion
WHERE run_id = $run
ORDER BY cluster_id, label
