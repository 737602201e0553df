"""How images are best compared, chosen among candidates without a label."""
