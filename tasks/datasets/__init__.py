"""Labelled collections of benchmarks and of the demo, by name."""
