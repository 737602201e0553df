"""Object storage: the filesystem behind a URL, and a bucket whose objects are checked."""
