"""Commands of the command line, an area a file; each has `register(app)`."""
