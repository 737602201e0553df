"""Labels: what folders, tables, sidecars and containers say of images' classes and splits.

They are for metrics only: nothing chooses by them.
"""
