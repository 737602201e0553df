UPDATE leases.sortal_leases SET expires_at = $expires_at
WHERE collection = $collection AND token = $token;
