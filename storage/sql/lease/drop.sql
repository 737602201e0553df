DELETE FROM leases.sortal_leases WHERE collection = $collection AND token = $token;
