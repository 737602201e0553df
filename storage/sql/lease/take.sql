INSERT INTO leases.sortal_leases
VALUES ($collection, $holder, $machine, $pid, $born, $token, $seconds, $expires_at);
