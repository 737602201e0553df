SELECT path, kind_id, top_id
FROM cluster_path
WHERE run_id = $run AND cluster_id = $id
