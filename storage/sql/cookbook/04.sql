-- Which images did two runs of a collection put elsewhere?
WITH pair AS (
    SELECT old.key, old.cluster AS old_cluster, new.cluster AS new_cluster
    FROM assignments AS old
    JOIN assignments AS new USING (key)
    WHERE
        old.run_id = (SELECT min_by(run_id, finished_at) FROM runs)
        AND new.run_id = (SELECT run_id FROM newest_run)
),

matched AS (
    SELECT old_cluster, new_cluster
    FROM pair
    GROUP BY old_cluster, new_cluster
    QUALIFY row_number() OVER (PARTITION BY old_cluster ORDER BY count(*) DESC, new_cluster) = 1
)

SELECT pair.old_cluster, pair.new_cluster, count(*) AS moved
FROM pair
ANTI JOIN matched USING (old_cluster, new_cluster)
GROUP BY ALL
ORDER BY moved DESC, old_cluster, new_cluster
LIMIT 20
