-- Which have a place, and where is it?
SELECT path, taken_at::DATE AS day, round(latitude, 3) AS latitude, round(longitude, 3) AS longitude
FROM images
JOIN latest_runs USING (scan, collection)
WHERE latitude IS NOT NULL
ORDER BY taken_at, path
