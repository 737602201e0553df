SELECT
    cluster_id,
    name,
    event,
    related,
    size,
    previous_size,
    shared,
    came,
    went,
    previous_run_id,
    stable_id
FROM changes
WHERE run_id = $run AND previous_run_id IS NOT NULL
ORDER BY event = 'same', came + went DESC, cluster_id
