WITH named AS (
    SELECT * FROM read_parquet($named)
    UNION ALL BY NAME
    SELECT NULL::BIGINT AS stable_id, NULL::VARCHAR AS written_by
    WHERE false -- without lineage, or a writer, there is none
),

own AS (
    SELECT * FROM read_parquet($clusters)
    UNION ALL BY NAME
    SELECT NULL::FLOAT AS name_confidence WHERE false -- of before names had one
),

term AS (
    SELECT * FROM read_parquet($terms)
    UNION ALL BY NAME
    SELECT NULL::FLOAT AS confidence WHERE false
),

kept AS (
    SELECT cluster, term, max(confidence) AS confidence
    FROM term
    WHERE corpus = 'noun'
    GROUP BY cluster, term
)
SELECT
    $run_id AS run_id,
    cluster.cluster,
    named.name,
    cluster.size,
    cluster.caption,
    cluster.mean_distance,
    cluster.representatives,
    coalesce(named.stable_id, cluster.cluster) AS stable_id,
    pin.name AS pinned,
    if(
        named.name IS NOT DISTINCT FROM cluster.name,
        cluster.name_confidence,
        kept.confidence
    ) AS name_confidence,
    named.written_by
FROM own AS cluster
JOIN named ON named.cluster = cluster.cluster
LEFT JOIN kept ON kept.cluster = named.cluster AND kept.term = named.name
LEFT JOIN pins AS pin
    ON pin.series = $series
    AND pin.stable_id = coalesce(named.stable_id, cluster.cluster)
