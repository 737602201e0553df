"""Heads: small networks trained on the frozen vectors; `trainer.py` trains every method alike.

`method.py` is what a method is, `head.py` the step; one module a method.
"""
