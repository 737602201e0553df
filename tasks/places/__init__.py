"""Places: where the files of a collection lie (a folder, a bucket, a list of URLs)."""
