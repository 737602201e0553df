"""Formats of label tables: opened alike, with columns as strings, named by their meaning."""
