-- Papers give zero-shot with the true class names, and so do we, from labels or a file; no other method
-- that saw labels.
-- Same method, data set, encoder and as many clusters as classes, or no row: figures of other encoders are never set side by
-- side. `NAME/test`, `NAME_test` and `NAME-test` are the data set NAME; quickgelu is how open_clip
-- calls the activation that OpenAI's weights have in either spelling.
WITH ours AS (
    UNPIVOT (
        SELECT
            collection,
            protocol,
            encoder,
            method,
            random_state,
            acc,
            nmi,
            ari,
            fmi
        FROM scores
        LEFT JOIN (SELECT run_id, value AS n_classes FROM metrics WHERE name = 'n_classes')
            USING (run_id)
        WHERE
            (NOT labels_used OR method.starts_with('zero-shot'))
            AND n_clusters = coalesce(n_classes, n_clusters)
    )
    ON acc, nmi, ari, fmi
    INTO NAME metric VALUE value
),

mean AS (
    SELECT
        collection,
        protocol,
        encoder,
        method,
        metric,
        count(*) AS seeds,
        avg(value) AS ours,
        stddev_samp(value) AS ours_sd
    FROM ours
    GROUP BY ALL
)

SELECT
    paper.dataset,
    paper.encoder,
    paper.method,
    paper.metric,
    paper.value AS published,
    paper.mark,
    mean.ours,
    mean.ours_sd,
    mean.seeds,
    mean.ours - paper.value AS difference,
    mean.collection,
    mean.protocol,
    mean.method AS ours_by
FROM published AS paper
JOIN mean
    ON regexp_replace(mean.method, ' \[classes\.names=[^,\]]*\]$', '') = paper.method
    AND mean.metric = paper.metric
    AND regexp_replace(mean.collection, '[/_-]test$', '') = paper.dataset
    AND replace(mean.encoder, '-quickgelu', '') = paper.encoder
ORDER BY paper.dataset, paper.method, paper.metric
