-- Does the seed matter, and do seeds that agree score better?
SELECT one.method, one.pairs, one.ari AS agreement, board.nmi, board.nmi_sd
FROM seed_agreement AS one
JOIN leaderboard AS board USING (collection, protocol, encoder, n_clusters, method)
ORDER BY agreement DESC, method
