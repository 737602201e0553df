SELECT key, distance
FROM assignments
WHERE run_id = $run AND cluster = $cluster
ORDER BY distance, key
