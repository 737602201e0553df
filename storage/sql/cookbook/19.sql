-- What is in the collection, coarsely, and what is each kind made of?
SELECT parent_name AS kind, sum(size) AS images, list(name ORDER BY size DESC) AS clusters
FROM cluster_tree
WHERE run_id = (SELECT run_id FROM newest_run) AND level = 0
GROUP BY parent_name
ORDER BY images DESC
