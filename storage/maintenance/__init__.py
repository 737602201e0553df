"""Keeping a workspace small, sound and safe: compaction, pruning, checks, back-up."""
