"""A cluster keeps its id and its name from run to run; what became of each is recorded."""
