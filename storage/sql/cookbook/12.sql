-- Can quality be judged without labels?
SELECT collection, name, n, spearman
FROM label_free_rank
WHERE each = 'run' AND spearman IS NOT NULL
ORDER BY collection, spearman DESC, name
