"""Image, noun and caption vectors of one image become one vector."""
