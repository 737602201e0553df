SELECT
    cluster,
    max_by(label, (n_images, label)) AS label,
    max(n_images) / sum(n_images) AS label_share
FROM confusion
WHERE run_id = $run
GROUP BY cluster
