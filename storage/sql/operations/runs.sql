SELECT
    runs.run_id, runs.collection, runs.method, runs.criterion, runs.encoder, runs.n_clusters,
    runs.n_images, runs.n_failed, runs.random_state, metrics.value AS acc,
    round(runs.wall_seconds, 1) AS wall_seconds
FROM runs
LEFT JOIN metrics ON metrics.run_id = runs.run_id AND metrics.name = 'acc'
ORDER BY runs.finished_at DESC, runs.run_id DESC
