"""New images go to the clusters of a run, from what the run stored."""
