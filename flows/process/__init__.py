"""The process around a command: signals, streams, a home for Prefect, and its server."""
