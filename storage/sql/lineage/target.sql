SELECT
    named.run_id,
    member.series,
    named.cluster,
    named.stable_id,
    named.name,
    named.pinned
FROM cluster_names AS named
JOIN series AS member ON member.run_id = named.run_id
WHERE named.run_id = $run
ORDER BY named.cluster
