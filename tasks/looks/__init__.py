"""What pictures look like, read once: thumbnails, a perceptual hash, and figures of quality."""
