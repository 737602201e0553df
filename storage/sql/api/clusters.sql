SELECT
    stable_id,
    name,
    size,
    share,
    caption,
    mean_distance,
    nouns,
    captions,
    typical,
    representatives
FROM cluster_cards
WHERE run_id = $run
ORDER BY size DESC, stable_id
