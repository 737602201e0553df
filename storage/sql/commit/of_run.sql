SELECT
    $run_id AS run_id,
    *
FROM read_parquet($file)
