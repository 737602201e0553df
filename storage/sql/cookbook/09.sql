-- Which classes are taken for one another in the newest run?
WITH counted AS (
    SELECT *, max_by(label, row(n_images, label)) OVER (PARTITION BY cluster) AS majority
    FROM confusion
    WHERE run_id IN (SELECT run_id FROM latest_runs)
)

SELECT label, majority AS taken_for, name AS in_cluster, n_images
FROM counted
WHERE label != majority
ORDER BY n_images DESC, label, in_cluster
LIMIT 20
