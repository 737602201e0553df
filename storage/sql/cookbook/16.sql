-- How many photos a month?
SELECT strftime(taken_at, '%Y-%m') AS month, count(*) AS photos
FROM images
JOIN latest_runs USING (scan, collection)
WHERE taken_at IS NOT NULL
GROUP BY month
ORDER BY month
