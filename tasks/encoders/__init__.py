"""Encoders: images and texts into one space. `open_encoder(spec)` is the only way in."""
