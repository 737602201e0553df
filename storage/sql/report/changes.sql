SELECT
    name,
    cluster_id,
    event,
    size,
    previous_size,
    came,
    went
FROM changes
WHERE run_id = $run AND previous_run_id IS NOT NULL
ORDER BY event = 'same', came + went DESC, cluster_id
