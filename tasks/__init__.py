"""The stages of the pipeline, a package each: plain functions, and in `step.py` the cached step."""
