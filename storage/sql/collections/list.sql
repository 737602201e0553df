SELECT
    known.collection,
    coalesce(known.place, known.source) AS source,
    count(run.run_id) AS runs,
    max_by(run.n_images, (run.finished_at, run.run_id)) AS images,
    max_by(run.run_id, (run.finished_at, run.run_id)) AS newest_run
FROM collections AS known
LEFT JOIN runs AS run ON run.collection = known.collection
GROUP BY known.collection, known.place, known.source
ORDER BY known.collection
