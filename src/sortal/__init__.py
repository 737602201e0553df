"""Sortal sorts growing image collections into named kinds, without labels, by meaning."""
