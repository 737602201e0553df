"""The configuration: one schema with commented defaults, and a preset a method."""
