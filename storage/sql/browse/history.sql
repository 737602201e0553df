-- A kind in every run of its series, newest first, up to this one and from it on.
SELECT
    run.run_id,
    run.finished_at,
    named.name,
    cluster.size,
    traced.event,
    traced.related,
    traced.came,
    traced.went
FROM series AS own
JOIN series AS each_run ON each_run.series = own.series
JOIN runs AS run ON run.run_id = each_run.run_id
JOIN cluster_names AS named ON named.run_id = run.run_id AND named.cluster_id = $id
JOIN clusters AS cluster
    ON cluster.run_id = named.run_id AND cluster.cluster = named.cluster
LEFT JOIN lineage AS traced
    ON traced.run_id = named.run_id AND traced.cluster = named.cluster
WHERE own.run_id = $run
ORDER BY run.finished_at DESC, run.run_id DESC
