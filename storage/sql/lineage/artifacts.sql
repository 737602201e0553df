SELECT role, kind, fingerprint, identity
FROM artifacts
WHERE run_id = $run
