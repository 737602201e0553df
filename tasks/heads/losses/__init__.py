"""Losses of heads: pure functions on tensors; a module a method, and what they share."""
