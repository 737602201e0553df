"""The lake: DuckLake tables, their catalogue, leases, and what is written into them."""
