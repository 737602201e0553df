"""The lists to clean up by: their rules, and how kinds and labels agree."""
