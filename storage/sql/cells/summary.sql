WITH chosen AS (
    SELECT
        *,
        list_position($cells, cell) AS place
    FROM cells
    WHERE list_contains($cells, cell)
),

score AS (
    SELECT
        run_id,
        max(value) FILTER (WHERE name = 'acc') AS acc,
        max(value) FILTER (WHERE name = 'nmi') AS nmi,
        max(value) FILTER (WHERE name = 'ari') AS ari
    FROM metrics
    WHERE run_id IN (SELECT run_id FROM chosen)
    GROUP BY run_id
)

SELECT
    chosen.collection,
    chosen.protocol,
    chosen.encoder,
    chosen.method,
    count(score.run_id) AS seeds,
    count(*) FILTER (WHERE chosen.error IS NOT NULL) AS failed,
    any_value(chosen.error) AS error,
    coalesce(bool_or(run.labels_used), false) AS labels_used,
    avg(score.acc) AS acc,
    stddev_samp(score.acc) AS acc_sd,
    avg(score.nmi) AS nmi,
    stddev_samp(score.nmi) AS nmi_sd,
    avg(score.ari) AS ari,
    stddev_samp(score.ari) AS ari_sd,
    avg(chosen.seconds) AS seconds
FROM chosen
LEFT JOIN runs AS run ON run.run_id = chosen.run_id
LEFT JOIN score ON score.run_id = chosen.run_id
GROUP BY ALL
ORDER BY min(chosen.place)
