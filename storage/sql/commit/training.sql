SELECT
    $run_id AS run_id,
    epoch,
    name,
    value
FROM read_parquet($history)
