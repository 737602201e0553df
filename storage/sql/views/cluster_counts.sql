SELECT
    run.collection,
    run.method,
    run.encoder,
    run.random_state,
    tried.run_id,
    tried.n_clusters,
    tried.agreement,
    tried.predictability,
    tried.score,
    tried.information,
    tried.worth,
    tried.is_natural,
    tried.chosen,
    tried.kept,
    run.finished_at
FROM count_scores AS tried
JOIN runs AS run ON run.run_id = tried.run_id
