SELECT
    card.cluster,
    card.cluster_id,
    card.name,
    card.name_fits,
    card.suggested_name,
    named.pinned,
    card.size,
    card.share,
    card.caption,
    card.mean_distance,
    card.nouns,
    card.representatives,
    label.label,
    label.label_share,
    mark.mark,
    traced.event,
    traced.came,
    traced.went
FROM cluster_cards AS card
JOIN cluster_names AS named
    ON named.run_id = card.run_id AND named.cluster = card.cluster
JOIN series ON series.run_id = card.run_id
LEFT JOIN (
    SELECT
        cluster,
        max_by(label, (n_images, label)) AS label,
        max(n_images) / sum(n_images) AS label_share
    FROM confusion
    WHERE run_id = $run
    GROUP BY cluster
) AS label ON label.cluster = card.cluster
LEFT JOIN marks AS mark ON mark.series = series.series AND mark.stable_id = card.cluster_id
LEFT JOIN lineage AS traced
    ON traced.run_id = card.run_id
    AND traced.cluster = card.cluster
    AND traced.previous_run_id IS NOT NULL
WHERE card.run_id = $run
ORDER BY card.size DESC, card.cluster_id
