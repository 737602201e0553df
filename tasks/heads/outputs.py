"""What the step `head` writes: file names and tables, known without importing torch."""

PER_IMAGE = "per_image.parquet"  # what a trained head says of each image


WEIGHTS = "head.safetensors"
