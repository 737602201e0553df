"""Captioning: one caption for every image, kept by the image's content like its vector.

`step.py` is the step, `caption.py` what a caption is, `captioner.py` what a captioner is; one
module a captioner, listed in `registry.py`.
"""
