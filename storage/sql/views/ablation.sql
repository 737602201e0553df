-- A line for each set of settings (`run_settings`): the columns tell most of them apart, their hash
-- all. What a method chose itself has NULL in its columns; of each the newest images count.
WITH run AS (
    SELECT runs.* REPLACE (told.settings AS config)
    FROM runs
    JOIN run_settings AS told USING (run_id)
),

setting AS (
    SELECT
        run_id,
        collection,
        protocol,
        encoder,
        concat(method, ' [' || variant || ']') AS method,
        n_clusters,
        random_state,
        labels_used,
        md5(config::VARCHAR) AS settings,
        (config->>'$.nouns.fuse')::BOOLEAN AS nouns,
        (config->>'$.captions.fuse')::BOOLEAN AS captions,
        config->>'$.selection.method' AS selection,
        (config->>'$.transport.epsilon')::DOUBLE AS epsilon,
        (config->>'$.transport.balance')::DOUBLE AS balance,
        config->>'$.transport.weighting' AS weighting,
        config->>'$.fusion.mode' AS fusion,
        config->>'$.fusion.weights' AS weights,
        (config->>'$.fusion.gamma')::DOUBLE AS gamma,
        (config->>'$.fusion.centred')::BOOLEAN AS centred
    FROM run
    QUALIFY
        scan = first_value(scan) OVER (
            PARTITION BY
                collection, protocol, encoder, method, n_clusters, labels_used, settings
            ORDER BY finished_at DESC, run_id DESC
        )
        AND row_number() OVER (
            PARTITION BY
                collection, protocol, encoder, method, n_clusters, random_state, labels_used,
                settings
            ORDER BY finished_at DESC, run_id DESC
        ) = 1
),

score AS (
    SELECT
        run_id,
        max(value) FILTER (WHERE name = 'acc') AS acc,
        max(value) FILTER (WHERE name = 'nmi') AS nmi,
        max(value) FILTER (WHERE name = 'ari') AS ari
    FROM metrics
    WHERE name IN ('acc', 'nmi', 'ari')
    GROUP BY run_id
),

mean AS (
    SELECT
        setting.collection,
        setting.protocol,
        setting.encoder,
        setting.n_clusters,
        setting.method,
        setting.nouns,
        setting.captions,
        setting.selection,
        setting.epsilon,
        setting.balance,
        setting.weighting,
        setting.fusion,
        setting.weights,
        setting.gamma,
        setting.centred,
        count(*) AS seeds,
        avg(score.acc) AS acc,
        stddev_samp(score.acc) AS acc_sd,
        avg(score.nmi) AS nmi,
        stddev_samp(score.nmi) AS nmi_sd,
        avg(score.ari) AS ari,
        stddev_samp(score.ari) AS ari_sd,
        setting.labels_used,
        setting.settings
    FROM setting
    JOIN score ON score.run_id = setting.run_id
    GROUP BY ALL
)

SELECT
    *,
    acc - max(acc) OVER (PARTITION BY collection, protocol, encoder, n_clusters, labels_used) AS acc_behind_best
FROM mean
ORDER BY
    collection, protocol, encoder, n_clusters, labels_used, acc DESC, method, nouns, captions,
    selection, epsilon, balance, weighting, fusion, weights, gamma, centred, settings
