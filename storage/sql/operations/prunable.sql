WITH ranked AS (
    SELECT
        run_id,
        collection,
        scan,
        method,
        encoder,
        n_clusters,
        random_state,
        n_images,
        finished_at,
        row_number() OVER (
            PARTITION BY collection, encoder, method, n_clusters, random_state
            ORDER BY finished_at DESC, run_id DESC
        ) AS place
    FROM runs
),

chosen AS (
    SELECT * EXCLUDE (place)
    FROM ranked
    WHERE place > $keep_last
        AND ($collection IS NULL OR collection = $collection)
        AND ($before IS NULL OR finished_at < $before)
)

SELECT *
FROM chosen
WHERE run_id NOT IN (
    SELECT previous_run_id
    FROM lineage
    WHERE previous_run_id IS NOT NULL
        AND run_id NOT IN (SELECT run_id FROM chosen)
)
ORDER BY finished_at, run_id
