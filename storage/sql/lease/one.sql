SELECT collection, holder, machine, pid, born, token, seconds, expires_at
FROM leases.sortal_leases
WHERE collection = $collection;
