SELECT
    run.collection,
    traced.run_id,
    traced.previous_run_id,
    traced.stable_id AS cluster_id,
    coalesce(
        pin.name,
        traced.name,
        if(traced.stable_id = -1, 'no kind', NULL),
        'unnamed ' || traced.stable_id
    ) AS name,
    traced.event,
    traced.related,
    traced.size,
    traced.previous_size,
    traced.shared,
    traced.came,
    traced.went,
    traced.stable_id,
    traced.cluster
FROM lineage AS traced
JOIN series AS run ON run.run_id = traced.run_id
LEFT JOIN pins AS pin
    ON pin.series = run.series
    AND pin.stable_id = traced.stable_id
