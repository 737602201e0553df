SELECT
    candidate,
    words,
    agreement,
    predictability,
    error,
    score,
    margin,
    chosen,
    kept,
    (SELECT config->>'$.choose.texts' FROM runs WHERE run_id = $run) AS texts
FROM candidates
WHERE run_id = $run
ORDER BY rank
