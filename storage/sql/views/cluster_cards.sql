WITH term AS (
    SELECT
        run_id,
        cluster,
        list(term ORDER BY rank) FILTER (WHERE corpus = 'noun') AS nouns,
        list(term ORDER BY rank) FILTER (WHERE corpus = 'caption') AS captions
    FROM cluster_terms
    GROUP BY run_id, cluster
),

picture AS (
    SELECT scan, collection, key, min(path) AS path
    FROM images
    WHERE key IN (SELECT representatives[1] FROM clusters)
    GROUP BY scan, collection, key
)

SELECT
    run.collection,
    cluster.run_id,
    named.cluster_id,
    named.name,
    named.is_named,
    named.name_confidence,
    named.written_by,
    suggested.suggested_name IS NULL AS name_fits,
    suggested.suggested_name,
    cluster.size,
    cluster.size / sum(cluster.size) OVER (PARTITION BY cluster.run_id) AS share,
    cluster.caption,
    cluster.mean_distance,
    term.nouns,
    term.captions,
    picture.path AS typical,
    cluster.representatives,
    mark.mark,
    named.stable_id,
    cluster.cluster
FROM clusters AS cluster
JOIN runs AS run ON run.run_id = cluster.run_id
JOIN cluster_names AS named
    ON named.run_id = cluster.run_id AND named.cluster = cluster.cluster
LEFT JOIN suggested_names AS suggested
    ON suggested.run_id = cluster.run_id AND suggested.cluster = cluster.cluster
LEFT JOIN term ON term.run_id = cluster.run_id AND term.cluster = cluster.cluster
LEFT JOIN picture
    ON picture.scan = run.scan
    AND picture.collection = run.collection
    AND picture.key = cluster.representatives[1]
LEFT JOIN marks AS mark
    ON mark.series = run.series AND mark.stable_id = named.cluster_id
