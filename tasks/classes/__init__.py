"""Classes whose names are given: each image goes to the one whose text is nearest to it."""
