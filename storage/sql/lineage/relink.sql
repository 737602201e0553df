UPDATE artifacts SET fingerprint = $fingerprint, identity = $identity
WHERE run_id = $run AND role = 'lineage';
