SELECT corpus, rank, term, mass, score
FROM cluster_terms
WHERE run_id = $run AND cluster = $cluster
ORDER BY corpus DESC, rank
