-- The runs of a run's collection, newest first: 300 at the most, and whether their ids mean the same.
SELECT
    other.run_id,
    other.finished_at,
    other.method,
    other.encoder,
    other.n_clusters,
    other.series = run.series AS same_series
FROM runs AS run
JOIN runs AS other ON other.collection = run.collection
WHERE run.run_id = $run
ORDER BY other.finished_at DESC, other.run_id DESC
LIMIT 300
