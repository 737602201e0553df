"""The Python API, as `import sortal` offers it: cluster a collection, open a workspace."""
