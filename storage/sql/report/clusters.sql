WITH noun AS (
    SELECT
        cluster,
        list({'term': term, 'mass': mass} ORDER BY rank) AS nouns
    FROM cluster_terms
    WHERE run_id = $run AND corpus = 'noun'
    GROUP BY cluster
)

SELECT
    cluster.cluster,
    named.cluster_id,
    named.name,
    named.is_named,
    named.written_by,
    suggested.suggested_name,
    cluster.size,
    cluster.size / sum(cluster.size) OVER () AS share,
    cluster.caption,
    cluster.mean_distance,
    cluster.representatives,
    noun.nouns
FROM clusters AS cluster
JOIN cluster_names AS named
    ON named.run_id = cluster.run_id AND named.cluster = cluster.cluster
LEFT JOIN suggested_names AS suggested
    ON suggested.run_id = cluster.run_id AND suggested.cluster = cluster.cluster
LEFT JOIN noun ON noun.cluster = cluster.cluster
WHERE cluster.run_id = $run
ORDER BY cluster.cluster < 0, cluster.size DESC, named.cluster_id
