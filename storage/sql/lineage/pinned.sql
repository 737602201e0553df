SELECT stable_id, name
FROM pins
WHERE series = $series
ORDER BY stable_id
