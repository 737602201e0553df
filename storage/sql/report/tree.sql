-- The kinds of a run that has kinds of kinds, the coarsest first; the view cluster_tree says more.
WITH placed AS (
    SELECT level, node, parent, node_id, name, size
    FROM cluster_nodes
    WHERE run_id = $run
)

SELECT
    0 AS level,
    cluster.cluster AS node,
    placed.parent,
    named.cluster_id AS kind_id,
    named.name,
    cluster.size
FROM clusters AS cluster
JOIN cluster_names AS named
    ON named.run_id = cluster.run_id AND named.cluster = cluster.cluster
LEFT JOIN placed ON placed.level = 0 AND placed.node = cluster.cluster
WHERE cluster.run_id = $run AND EXISTS (FROM placed)
UNION ALL
SELECT level, node, parent, node_id, coalesce(name, 'unnamed kind ' || node_id), size
FROM placed
WHERE level > 0
ORDER BY level DESC, size DESC, kind_id
