-- Which classes does a method find least?
SELECT
    replace(metrics.name, 'recall.', '') AS class,
    avg(metrics.value) AS recall,
    min(metrics.value) AS worst_seed
FROM metrics
JOIN scores ON scores.run_id = metrics.run_id
WHERE metrics.name LIKE 'recall.%' AND scores.method = 'cae'
GROUP BY ALL
ORDER BY recall, class
