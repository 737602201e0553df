"""A finished run goes into the lake, completely or not at all."""
