SELECT
    score.collection,
    score.protocol,
    score.encoder,
    score.method,
    score.n_clusters,
    run.supervision,
    count(*) AS seeds,
    avg(score.acc) AS acc,
    stddev_samp(score.acc) AS acc_sd,
    avg(score.nmi) AS nmi,
    stddev_samp(score.nmi) AS nmi_sd,
    avg(score.ari) AS ari,
    stddev_samp(score.ari) AS ari_sd
FROM scores AS score
JOIN runs AS run ON run.run_id = score.run_id
WHERE score.labels_used
GROUP BY
    score.collection, score.protocol, score.encoder, score.method, score.n_clusters, run.supervision
ORDER BY
    score.collection, score.protocol, score.encoder, score.n_clusters, acc DESC, score.method
