"""The settings of commands that are no run: a benchmark, an assignment, maintenance."""
