"""The benchmark: methods x collections x seeds, as runs in worker processes."""
