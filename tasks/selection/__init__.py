"""The semantic space: the few texts of a corpus that are close to this collection."""
