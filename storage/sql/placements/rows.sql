SELECT
    $run AS run_id, $placed_at::TIMESTAMP AS placed_at, $source AS source, path, key, cluster_id,
    name, distance, next_cluster_id, next_distance, threshold, "unlike", status, error_code,
    cluster, next_cluster
FROM read_parquet($file);
