(key, label) IN (
    WITH placed AS (
        SELECT DISTINCT key, label, cluster, distance
        FROM assignments JOIN runs USING (run_id) JOIN images USING (scan, collection, key)
        WHERE run_id = $run AND label IS NOT NULL AND cluster >= 0
    ),
    label_of AS (
        SELECT cluster, max_by(label, (n, label)) AS majority, max(n) / sum(n) AS share
        FROM (SELECT cluster, label, count(*) AS n FROM placed GROUP BY ALL) GROUP BY cluster
    )
    SELECT (key, label) FROM placed JOIN label_of USING (cluster) JOIN (
        SELECT cluster, avg(distance) AS middle FROM assignments WHERE run_id = $run GROUP BY ALL
    ) USING (cluster)
    WHERE label != majority AND share >= $purity AND distance <= middle)
