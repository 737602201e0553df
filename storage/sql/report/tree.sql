SELECT
    level,
    node,
    parent,
    kind_id,
    name,
    size
FROM cluster_tree
WHERE
    run_id = $run
    AND run_id IN (SELECT run_id FROM cluster_nodes)
ORDER BY level DESC, size DESC, kind_id
