SELECT
    known.collection,
    known.place,
    coalesce(run.source, known.source) AS source,
    coalesce(used.methods, []) AS methods
FROM collections AS known
LEFT JOIN latest_runs AS run ON run.collection = known.collection
LEFT JOIN (
    SELECT collection, list(DISTINCT method) AS methods
    FROM runs
    WHERE coalesce((config->>'$.lineage.enabled')::BOOLEAN, true)
    GROUP BY collection
) AS used ON used.collection = known.collection
ORDER BY run.finished_at DESC NULLS LAST, known.collection
