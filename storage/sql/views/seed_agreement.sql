WITH cell AS (
    SELECT
        one.collection,
        one.protocol,
        one.encoder,
        one.n_clusters,
        one.method,
        one.labels_used,
        one.run_id,
        other.run_id AS other_id
    FROM scores AS one
    JOIN scores AS other
        ON other.collection = one.collection
        AND other.protocol = one.protocol
        AND other.encoder = one.encoder
        AND other.n_clusters = one.n_clusters
        AND other.method = one.method
        AND other.labels_used = one.labels_used
        AND other.random_state > one.random_state
),

counted AS (
    SELECT cell.run_id, cell.other_id, a.cluster, b.cluster AS other_cluster, count(*) AS n
    FROM cell
    JOIN assignments AS a ON a.run_id = cell.run_id
    JOIN assignments AS b ON b.run_id = cell.other_id AND b.key = a.key
    GROUP BY ALL
),

margin AS (
    SELECT
        run_id,
        other_id,
        n,
        sum(n) OVER (PARTITION BY run_id, other_id, cluster) AS of_one,
        sum(n) OVER (PARTITION BY run_id, other_id, other_cluster) AS of_other
    FROM counted
),

pairs AS (
    SELECT
        run_id,
        other_id,
        sum(n * (n - 1) / 2) AS alike,
        sum(n * (of_one - 1) / 2) AS in_one,
        sum(n * (of_other - 1) / 2) AS in_other,
        sum(n) * (sum(n) - 1) / 2 AS all_pairs
    FROM margin
    GROUP BY run_id, other_id
),

pair AS (
    SELECT
        run_id,
        other_id,
        if(
            alike = in_one AND alike = in_other,
            1,
            (alike - in_one * in_other / all_pairs)
                / ((in_one + in_other) / 2 - in_one * in_other / all_pairs)
        ) AS ari
    FROM pairs
)

SELECT
    cell.collection,
    cell.protocol,
    cell.encoder,
    cell.n_clusters,
    cell.method,
    count(*) AS pairs,
    avg(pair.ari) AS ari,
    cell.labels_used
FROM cell
JOIN pair ON pair.run_id = cell.run_id AND pair.other_id = cell.other_id
GROUP BY ALL
ORDER BY cell.collection, cell.protocol, cell.encoder, cell.n_clusters, ari DESC, cell.method
