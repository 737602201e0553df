UPDATE clusters SET pinned = $name
WHERE
    coalesce(stable_id, cluster) = $id
    AND run_id IN (SELECT run_id FROM series WHERE series = $series)
