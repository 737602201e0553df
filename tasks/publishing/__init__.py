"""A finished run goes into the lake, whole or not at all."""
