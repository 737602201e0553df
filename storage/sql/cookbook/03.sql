-- Which files have the same content?
SELECT collection, count(*) AS copies, list(path ORDER BY path) AS paths
FROM latest_assignments
GROUP BY collection, key
HAVING count(*) > 1
ORDER BY copies DESC, paths
