-- A kept name no longer fits when it is none of the cluster's nouns, and one of these names no other
-- cluster: the first such is what it would be called now. Words are compared as tasks/naming does,
-- by a rule-of-thumb singular in lower case. A pinned name is the user's, and always fits, as
-- does one that an endpoint wrote, which is none of the nouns and was checked as it was written; a noun
-- that is less sure than a name must be is no better one.
WITH said AS (
    SELECT
        term.run_id,
        term.cluster,
        term.rank,
        if(
            coalesce(term.confidence >= (run.config->>'$.naming.min_confidence')::FLOAT, true),
            term.term,
            NULL
        ) AS term,
        term.term AS word
    FROM cluster_terms AS term
    JOIN runs AS run ON run.run_id = term.run_id
    WHERE term.corpus = 'noun'
    UNION ALL
    SELECT run_id, cluster, 0, NULL, coalesce(pinned, name)
    FROM clusters
    UNION ALL -- "cat: kitten" is a cat, as "cat (kitten)" was
    SELECT
        run_id,
        cluster,
        0,
        NULL,
        regexp_replace(coalesce(pinned, name), ' \([^()]*\)$|: .*$', '')
    FROM clusters
),

plain AS (
    SELECT run_id, cluster, rank, term, lower(replace(word, '_', ' ')) AS word
    FROM said
),

stem AS (
    SELECT
        run_id,
        cluster,
        rank,
        term,
        CASE
            WHEN length(word) < 4 OR regexp_matches(word, '(ss|us|is|[^s])$') THEN word
            WHEN ends_with(word, 'ies') THEN left(word, length(word) - 3) || 'y'
            WHEN regexp_matches(word, '(sses|shes|ches|xes|zzes)$') THEN left(word, length(word) - 2)
            ELSE left(word, length(word) - 1)
        END AS word
    FROM plain
),

named AS (
    SELECT DISTINCT run_id, cluster, word
    FROM stem
    WHERE rank = 0
),

noun AS (
    SELECT
        stem.run_id,
        stem.cluster,
        stem.rank,
        stem.term,
        own.word IS NOT NULL AS is_its_name,
        taken.word IS NOT NULL AS is_a_name
    FROM stem
    LEFT JOIN named AS own
        ON own.run_id = stem.run_id AND own.cluster = stem.cluster AND own.word = stem.word
    LEFT JOIN (SELECT DISTINCT run_id, word FROM named) AS taken
        ON taken.run_id = stem.run_id AND taken.word = stem.word
    WHERE stem.rank > 0
),

unfit AS (
    SELECT
        run_id,
        cluster,
        arg_min(term, rank) FILTER (WHERE NOT is_a_name AND term IS NOT NULL) AS suggested_name
    FROM noun
    GROUP BY run_id, cluster
    HAVING NOT bool_or(is_its_name) AND bool_or(NOT is_a_name AND term IS NOT NULL)
)

SELECT
    cluster.run_id,
    cluster.cluster_id,
    cluster.name,
    cluster.pinned OR NOT cluster.is_named OR unfit.cluster IS NULL AS name_fits,
    if(cluster.is_named AND NOT cluster.pinned, unfit.suggested_name, NULL) AS suggested_name,
    cluster.cluster
FROM cluster_names AS cluster
LEFT JOIN unfit
    ON unfit.run_id = cluster.run_id
    AND unfit.cluster = cluster.cluster
    AND cluster.written_by IS NULL
