SELECT
    (SELECT count(*) FROM assignments WHERE run_id = $run_id) AS assigned,
    (SELECT coalesce(sum(size), 0) FROM clusters WHERE run_id = $run_id) AS in_clusters
