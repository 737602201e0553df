"""Metrics of a run, with labels and without; `metrics.py` says what each means."""
