"""The map: a two-dimensional layout of a collection whose points stay where they are."""
