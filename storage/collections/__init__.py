"""Collections: a collection is its source, wherever its name comes from."""
