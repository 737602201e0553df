"""Where the shards of a step are done: in this process, its threads and processes, or on Ray."""
