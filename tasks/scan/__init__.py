"""The scan: one row for every input, with its content hash, size, label and error."""
