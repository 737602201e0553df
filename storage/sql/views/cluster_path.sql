SELECT
    fine.collection,
    fine.run_id,
    fine.kind_id AS cluster_id,
    fine.name,
    concat_ws(
        ' > ',
        if(top.name != kind.name, top.name, NULL),
        if(kind.name != fine.name, kind.name, NULL),
        fine.name
    ) AS path,
    fine.size,
    fine.parent_id AS kind_id,
    kind.parent_id AS top_id,
    fine.node AS cluster
FROM cluster_tree AS fine
LEFT JOIN cluster_tree AS kind
    ON kind.run_id = fine.run_id AND kind.level = 1 AND kind.node = fine.parent
LEFT JOIN cluster_tree AS top
    ON top.run_id = fine.run_id AND top.level = 2 AND top.node = kind.parent
WHERE fine.level = 0
