-- Spearman's rank correlation: Pearson's of the ranks, ties having their mean rank.
WITH method AS (
    SELECT
        collection,
        protocol,
        encoder,
        n_clusters,
        method,
        name,
        avg(value) AS value,
        avg(nmi) AS nmi
    FROM label_free
    WHERE NOT labels_used
    GROUP BY ALL
),

grid AS (
    SELECT 'run' AS each, collection, protocol, encoder, n_clusters, name, value, nmi
    FROM label_free
    WHERE NOT labels_used
    UNION ALL BY NAME
    SELECT 'method' AS each, collection, protocol, encoder, n_clusters, name, value, nmi
    FROM method
),

ranked AS (
    SELECT
        *,
        rank() OVER (alike ORDER BY value)
            + (count(*) OVER (
                PARTITION BY each, collection, protocol, encoder, n_clusters, name, value
            ) - 1) / 2 AS value_rank,
        rank() OVER (alike ORDER BY nmi)
            + (count(*) OVER (
                PARTITION BY each, collection, protocol, encoder, n_clusters, name, nmi
            ) - 1) / 2 AS nmi_rank
    FROM grid
    WINDOW alike AS (PARTITION BY each, collection, protocol, encoder, n_clusters, name)
)

SELECT
    collection,
    protocol,
    encoder,
    n_clusters,
    name,
    each,
    count(*) AS n,
    if(
        count(DISTINCT value_rank) > 1 AND count(DISTINCT nmi_rank) > 1,
        corr(value_rank, nmi_rank),
        NULL
    ) AS spearman
FROM ranked
GROUP BY collection, protocol, encoder, n_clusters, name, each
ORDER BY collection, protocol, encoder, n_clusters, each, spearman DESC, name
