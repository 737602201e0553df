-- The one meaning of "the newest run"; of NULLs in $run and $collection, any will do.
SELECT *
FROM runs
WHERE
    ($run IS NULL OR run_id = $run)
    AND ($collection IS NULL OR collection = $collection)
ORDER BY finished_at DESC, run_id DESC
LIMIT 1
