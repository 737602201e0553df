"""Kinds of kinds: clusters gathered into a few coarse ones, with names and ids of theirs."""
