"""Captioning: one caption for every image, kept by the image's content like its vector.

`step.py` is the step, `rows.py` what a caption is; one module a captioner.
"""
