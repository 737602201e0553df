-- What is in the collection, and how much of each?
SELECT name, size, round(100 * share, 1) AS percent, nouns[:3] AS nouns
FROM cluster_cards
WHERE run_id IN (SELECT run_id FROM latest_runs)
ORDER BY size DESC, name
