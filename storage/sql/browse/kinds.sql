SELECT
    cluster.cluster,
    named.cluster_id,
    named.name,
    suggested.suggested_name IS NULL AS name_fits,
    suggested.suggested_name,
    named.pinned,
    named.written_by,
    cluster.size,
    cluster.size / sum(cluster.size) OVER () AS share,
    cluster.caption,
    cluster.mean_distance,
    noun.nouns,
    cluster.representatives,
    mark.mark,
    traced.event,
    traced.came,
    traced.went
FROM clusters AS cluster
JOIN runs AS run ON run.run_id = cluster.run_id
JOIN cluster_names AS named
    ON named.run_id = cluster.run_id AND named.cluster = cluster.cluster
LEFT JOIN suggested_names AS suggested
    ON suggested.run_id = cluster.run_id AND suggested.cluster = cluster.cluster
LEFT JOIN (
    SELECT cluster, list(term ORDER BY rank) AS nouns
    FROM cluster_terms
    WHERE run_id = $run AND corpus = 'noun'
    GROUP BY cluster
) AS noun ON noun.cluster = cluster.cluster
LEFT JOIN marks AS mark ON mark.series = run.series AND mark.stable_id = named.cluster_id
LEFT JOIN lineage AS traced
    ON traced.run_id = cluster.run_id
    AND traced.cluster = cluster.cluster
    AND traced.previous_run_id IS NOT NULL
WHERE cluster.run_id = $run
ORDER BY cluster.cluster < 0, cluster.size DESC, named.cluster_id
