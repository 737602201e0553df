"""Figures by which a run is judged, a module a kind; configs/metrics.py says what each means."""
