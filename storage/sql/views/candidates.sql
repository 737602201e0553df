-- The margin is how far a candidate is foretold better than the one chosen, below zero: worse; of
-- the one chosen, against the best of the others.
WITH ranked AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY run_id ORDER BY chosen DESC, predictability DESC NULLS LAST, candidate
        ) AS rank,
        max(predictability) FILTER (WHERE chosen) OVER (PARTITION BY run_id) AS taken,
        max(predictability) FILTER (WHERE NOT chosen) OVER (PARTITION BY run_id) AS next
    FROM candidate_scores
)

SELECT
    run.collection,
    run.method,
    run.n_clusters,
    run.random_state,
    ranked.run_id,
    ranked.rank,
    ranked.candidate,
    ranked.words,
    ranked.agreement,
    ranked.predictability,
    ranked.error,
    ranked.score,
    ranked.predictability - if(ranked.chosen, ranked.next, ranked.taken) AS margin,
    ranked.chosen,
    ranked.kept
FROM ranked
JOIN runs AS run ON run.run_id = ranked.run_id
