"""Figures by which a run is judged, a module a kind; configs/evaluation.py says what each means."""
