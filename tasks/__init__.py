"""One step a module: plain functions on arrays and tables, wrapped once as cached steps."""
