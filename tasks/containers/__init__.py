"""Containers: files that hold images (tar, zip, Parquet, Arrow), read without unpacking."""
