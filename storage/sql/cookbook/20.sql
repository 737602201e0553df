-- Every image with its path from coarse to fine.
SELECT image.path, placed.path AS kind
FROM latest_assignments AS image
JOIN cluster_path AS placed USING (run_id, cluster_id)
ORDER BY kind, image.path
