SELECT
    name,
    list(value ORDER BY epoch) AS figures
FROM training
WHERE run_id = $run
GROUP BY name
ORDER BY name <> 'loss', NOT starts_with(name, 'loss.'), name
