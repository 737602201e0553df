"""Search: which images are nearest to words, to a picture or to an image of the collection."""
