-- Which images fit their cluster worst, and deserve a look?
SELECT path, name, round(distance, 3) AS distance
FROM latest_assignments
QUALIFY row_number() OVER (PARTITION BY collection, cluster ORDER BY distance DESC, path) = 1
ORDER BY distance DESC, path
LIMIT 20
