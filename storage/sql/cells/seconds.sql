SELECT
    collection,
    method,
    avg(seconds) AS seconds
FROM cells
WHERE run_id IS NOT NULL
GROUP BY collection, method
