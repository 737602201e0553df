-- The newest run of each criterion, and the newest without one, side by side: join it with itself by
-- collection and key, one criterion against another.
SELECT
    run.collection,
    assignment.key,
    coalesce(run.criterion, 'none') AS criterion,
    named.cluster_id,
    named.name,
    named.is_named,
    assignment.distance,
    run.run_id
FROM (
    SELECT *
    FROM runs
    QUALIFY row_number() OVER (
        PARTITION BY collection, criterion ORDER BY finished_at DESC, run_id DESC
    ) = 1
) AS run
JOIN assignments AS assignment ON assignment.run_id = run.run_id
JOIN cluster_names AS named
    ON named.run_id = run.run_id AND named.cluster = assignment.cluster
