SELECT
    cluster_id,
    name,
    name_confidence,
    written_by,
    suggested_name,
    size,
    share,
    caption,
    mean_distance,
    nouns,
    captions,
    typical,
    representatives,
    stable_id
FROM cluster_cards
WHERE run_id = $run
ORDER BY cluster_id < 0, size DESC, cluster_id
