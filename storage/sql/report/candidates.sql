SELECT
    candidate,
    words,
    agreement,
    predictability,
    error,
    score,
    margin,
    chosen,
    kept
FROM candidates
WHERE run_id = $run
ORDER BY rank
