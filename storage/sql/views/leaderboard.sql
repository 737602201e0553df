WITH latest AS (
    SELECT *
    FROM runs
    WHERE NOT labels_used
    QUALIFY row_number() OVER (
        PARTITION BY collection, encoder, method, n_clusters, random_state
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
)

SELECT
    latest.collection,
    latest.encoder,
    latest.method,
    latest.n_clusters,
    count(*) AS seeds,
    avg(score.acc) AS acc,
    stddev_samp(score.acc) AS acc_sd,
    avg(score.nmi) AS nmi,
    stddev_samp(score.nmi) AS nmi_sd,
    avg(score.ari) AS ari,
    stddev_samp(score.ari) AS ari_sd,
    avg(latest.seconds) AS seconds
FROM latest
JOIN score ON score.run_id = latest.run_id
GROUP BY latest.collection, latest.encoder, latest.method, latest.n_clusters
ORDER BY latest.collection, latest.encoder, latest.n_clusters, acc DESC
