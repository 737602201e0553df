"""Encoders: images and texts into one space. `registry.py` is the way in."""
