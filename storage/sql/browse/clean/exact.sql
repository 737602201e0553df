-- Files of the same bytes, a row a content.
SELECT
    image.key,
    list(image.path ORDER BY image.path) AS paths,
    min(image.bytes) AS bytes,
    min(image.width) AS width,
    min(image.height) AS height,
    count(*) AS n,
    count(*) OVER () AS total
FROM runs AS run
JOIN images AS image
    ON image.scan = run.scan AND image.collection = run.collection
WHERE run.run_id = $run AND image.status = 'ok'
GROUP BY image.key
HAVING count(*) > 1
ORDER BY n DESC, image.key
LIMIT $count OFFSET $skipped
