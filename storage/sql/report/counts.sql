SELECT
    n_clusters,
    agreement,
    predictability,
    score,
    information,
    worth,
    is_natural,
    chosen,
    kept
FROM count_scores
WHERE run_id = $run
ORDER BY n_clusters
