SELECT node AS cluster, name, size, node_id AS stable_id
FROM cluster_nodes
WHERE run_id = $run AND level = $level
ORDER BY node
