"""What commands do besides the flows: plain functions, none of which prints a table."""
