"""Heads: small networks trained on the frozen vectors; `trainer.py` trains every method alike.

`step.py` is the step, `method.py` what a method is; `methods/` has a module a method.
"""
