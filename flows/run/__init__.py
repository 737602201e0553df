"""What a run needs around its steps: its context, checks, lease, metrics and result."""
