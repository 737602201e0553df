-- The files whose image is of another kind than in the run before, of two runs of each `pair`.
present AS (
    SELECT pair.run_id, assignment.key, named.stable_id AS id, named.name
    FROM pair
    JOIN assignments AS assignment ON assignment.run_id = pair.run_id
    JOIN cluster_names AS named
        ON named.run_id = assignment.run_id AND named.cluster = assignment.cluster
),

past AS (
    SELECT pair.run_id, assignment.key, named.stable_id AS id, named.name
    FROM pair
    JOIN assignments AS assignment ON assignment.run_id = pair.previous_run_id
    JOIN cluster_names AS named
        ON named.run_id = assignment.run_id AND named.cluster = assignment.cluster
)

SELECT
    pair.collection,
    pair.previous_run_id,
    pair.run_id,
    image.path,
    past.id AS from_id,
    past.name AS from_name,
    present.id AS to_id,
    present.name AS to_name,
    present.key
FROM pair
JOIN present ON present.run_id = pair.run_id
JOIN past ON past.run_id = pair.run_id AND past.key = present.key AND past.id <> present.id
JOIN runs AS run ON run.run_id = pair.run_id
JOIN images AS image
    ON image.scan = run.scan AND image.collection = run.collection AND image.key = present.key
ORDER BY pair.collection, image.path, present.key
