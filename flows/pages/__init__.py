"""What Prefect shows of a run: names of steps, artifacts, its log, how it failed or waits."""
