-- Settings are all of a run's but its seed, where its source lies and how it continues from another
-- run. Only runs of a method's newest settings on its newest images count, so that no mean over
-- seeds mixes two of them. What a method chose itself is not among them: seeds may choose
-- differently. One whose settings are not its preset's is a method of its own, called by what
-- differs.
WITH run AS (
    SELECT
        * REPLACE (concat(method, ' [' || variant || ']') AS method),
        json_merge_patch(
            config::JSON,
            '{"random_state": null, "lineage": null, "count": null, "source": null}',
            CASE WHEN (config->'$.choose') IS NOT NULL
                THEN '{"fusion": null, "head": null, "nouns": {"fuse": null}, "captions": {"fuse": null}}'
                ELSE '{}'
            END
        )::VARCHAR AS settings
    FROM runs
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
