-- Level 0 are the clusters; of a run without a tree there is nothing above them.
WITH node AS (
    SELECT
        named.collection,
        named.run_id,
        coalesce(placed.level, 0) AS level,
        cluster.cluster AS node,
        placed.parent,
        named.cluster_id AS kind_id,
        named.name,
        cluster.size
    FROM clusters AS cluster
    JOIN cluster_names AS named
        ON named.run_id = cluster.run_id AND named.cluster = cluster.cluster
    LEFT JOIN cluster_nodes AS placed
        ON placed.run_id = cluster.run_id
        AND placed.level = 0
        AND placed.node = cluster.cluster
    UNION ALL
    SELECT
        run.collection,
        placed.run_id,
        placed.level,
        placed.node,
        placed.parent,
        placed.node_id AS kind_id,
        coalesce(placed.name, 'unnamed kind ' || placed.node_id) AS name,
        placed.size
    FROM cluster_nodes AS placed
    JOIN runs AS run ON run.run_id = placed.run_id
    WHERE placed.level > 0
)

SELECT
    node.collection,
    node.run_id,
    node.level,
    node.kind_id,
    node.name,
    node.size,
    node.size / sum(node.size) OVER (PARTITION BY node.run_id, node.level) AS share,
    above.kind_id AS parent_id,
    above.name AS parent_name,
    node.node,
    node.parent
FROM node
LEFT JOIN node AS above
    ON above.run_id = node.run_id
    AND above.level = node.level + 1
    AND above.node = node.parent
