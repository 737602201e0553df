"""How many clusters there are, found among numbers that are tried, without a label."""
