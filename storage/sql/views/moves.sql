WITH pair AS (
    SELECT
        run.collection,
        run.run_id,
        max(traced.previous_run_id) AS previous_run_id
    FROM latest_runs AS run
    JOIN lineage AS traced ON traced.run_id = run.run_id
    GROUP BY run.collection, run.run_id
),

present AS (
    SELECT pair.collection, assignment.key, assignment.cluster
    FROM pair
    JOIN assignments AS assignment ON assignment.run_id = pair.run_id
    WHERE pair.previous_run_id IS NOT NULL
),

past AS (
    SELECT pair.collection, assignment.key, assignment.cluster
    FROM pair
    JOIN assignments AS assignment ON assignment.run_id = pair.previous_run_id
),

moved AS (
    SELECT
        coalesce(past.collection, present.collection) AS collection,
        past.cluster AS from_cluster,
        present.cluster AS to_cluster,
        count(*) AS n_images
    FROM past
    FULL JOIN present ON present.collection = past.collection AND present.key = past.key
    GROUP BY ALL
)

SELECT
    moved.collection,
    pair.previous_run_id,
    pair.run_id,
    origin.stable_id AS from_id,
    origin.name AS from_name,
    goal.stable_id AS to_id,
    goal.name AS to_name,
    moved.n_images
FROM moved
JOIN pair ON pair.collection = moved.collection
LEFT JOIN cluster_names AS origin
    ON origin.run_id = pair.previous_run_id AND origin.cluster = moved.from_cluster
LEFT JOIN cluster_names AS goal
    ON goal.run_id = pair.run_id AND goal.cluster = moved.to_cluster
