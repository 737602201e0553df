"""Clusters by k-means: seeding, iterations, warm starts, neighbours, assignments."""
