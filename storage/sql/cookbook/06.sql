-- Which method is best here, and by how much do its seeds differ?
SELECT method, seeds, nmi, nmi_sd, acc, acc_sd, ari, named
FROM leaderboard
ORDER BY collection, protocol, encoder, nmi DESC, method
