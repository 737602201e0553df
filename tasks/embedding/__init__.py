"""Images and texts become vectors, shard by shard; only what is missing is embedded."""
