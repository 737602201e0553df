SELECT
    $run AS run_id, $placed_at::TIMESTAMP AS placed_at, $source AS source, path, key, cluster, name,
    distance, next_cluster, next_distance, threshold, "unlike", status, error_code
FROM read_parquet($file);
