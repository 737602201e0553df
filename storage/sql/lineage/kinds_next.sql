SELECT coalesce(max(node.node_id) + 1, 0) AS next_id
FROM runs AS previous
JOIN runs AS run
    ON run.series = previous.series AND run.finished_at <= previous.finished_at
JOIN cluster_nodes AS node ON node.run_id = run.run_id
WHERE previous.run_id = $run AND node.level = $level
