"""Where things are kept: artifacts, vector shards and the lake."""
