SELECT
    known.collection,
    known.place,
    coalesce(run.source, known.source) AS source
FROM collections AS known
LEFT JOIN latest_runs AS run ON run.collection = known.collection
ORDER BY run.finished_at DESC NULLS LAST, known.collection
