"""Optimal transport between images and texts; its one result is a potential."""
