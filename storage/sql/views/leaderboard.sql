SELECT
    collection,
    protocol,
    encoder,
    method,
    n_clusters,
    count(*) AS seeds,
    avg(acc) AS acc,
    stddev_samp(acc) AS acc_sd,
    avg(nmi) AS nmi,
    stddev_samp(nmi) AS nmi_sd,
    avg(ari) AS ari,
    stddev_samp(ari) AS ari_sd,
    avg(name_hypernym) AS named,
    avg(seconds) AS seconds,
    max(n_images) AS n_images
FROM scores
WHERE NOT labels_used
GROUP BY collection, protocol, encoder, method, n_clusters
ORDER BY collection, protocol, encoder, n_clusters, acc DESC, method
