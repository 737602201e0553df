SELECT
    $run_id AS run_id,
    $previous AS previous_run_id,
    cluster,
    stable_id,
    name,
    event,
    related,
    size,
    previous_size,
    shared,
    came,
    went,
    overlap
FROM read_parquet($lineage)
