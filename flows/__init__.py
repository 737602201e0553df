"""What runs, in what order: a flow is a table of contents, one line a step."""
