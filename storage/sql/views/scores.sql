-- Only runs of a method's newest settings (`run_settings`) on its newest images count, so that no mean
-- over seeds mixes two of them. One whose settings are not its preset's is a method of its own,
-- called by what differs.
WITH run AS (
    SELECT
        runs.* REPLACE (concat(method, ' [' || variant || ']') AS method),
        told.settings::VARCHAR AS settings
    FROM runs
    JOIN run_settings AS told USING (run_id)
),

latest AS (
    SELECT *
    FROM run
    QUALIFY
        (settings, scan) = first_value((settings, scan)) OVER (
            PARTITION BY collection, protocol, encoder, method, n_clusters, labels_used
            ORDER BY finished_at DESC, run_id DESC
        )
        AND row_number() OVER (
            PARTITION BY
                collection, protocol, encoder, method, n_clusters, labels_used, settings,
                random_state
            ORDER BY finished_at DESC, run_id DESC
        ) = 1
),

score AS (
    SELECT
        run_id,
        max(value) FILTER (WHERE name = 'acc') AS acc,
        max(value) FILTER (WHERE name = 'nmi') AS nmi,
        max(value) FILTER (WHERE name = 'ari') AS ari,
        max(value) FILTER (WHERE name = 'fmi') AS fmi,
        max(value) FILTER (WHERE name = 'purity') AS purity,
        max(value) FILTER (WHERE name = 'recall_min') AS recall_min,
        max(value) FILTER (WHERE name = 'name_hypernym') AS name_hypernym
    FROM metrics
    WHERE name IN ('acc', 'nmi', 'ari', 'fmi', 'purity', 'recall_min', 'name_hypernym')
    GROUP BY run_id
)

SELECT
    latest.collection,
    latest.protocol,
    latest.encoder,
    latest.method,
    latest.n_clusters,
    latest.random_state,
    latest.run_id,
    score.acc,
    score.nmi,
    score.ari,
    score.fmi,
    score.purity,
    score.recall_min,
    score.name_hypernym,
    latest.seconds,
    latest.labels_used,
    latest.n_images,
    latest.scan
FROM latest
JOIN score ON score.run_id = latest.run_id
WHERE score.acc IS NOT NULL
