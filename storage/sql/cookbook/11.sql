-- Do the clusters' names say what is in them?
SELECT
    name,
    max_by(label, row(n_images, label)) AS majority,
    max(n_images) / sum(n_images) AS share
FROM confusion
WHERE run_id IN (SELECT run_id FROM latest_runs)
GROUP BY cluster, name
ORDER BY share DESC, name
