-- Placements once had only the numbers that clusters have in their run's tables.
ALTER TABLE placements ADD COLUMN IF NOT EXISTS cluster_id BIGINT;

ALTER TABLE placements ADD COLUMN IF NOT EXISTS next_cluster_id BIGINT;

UPDATE placements SET cluster_id = coalesce(own.stable_id, own.cluster)
FROM clusters AS own
WHERE
    placements.cluster_id IS NULL
    AND own.run_id = placements.run_id
    AND own.cluster = placements.cluster;

UPDATE placements SET next_cluster_id = coalesce(own.stable_id, own.cluster)
FROM clusters AS own
WHERE
    placements.next_cluster_id IS NULL
    AND own.run_id = placements.run_id
    AND own.cluster = placements.next_cluster;
