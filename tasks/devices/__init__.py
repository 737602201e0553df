"""What a GPU does otherwise than a CPU: rounded products, compiled kernels, rows that lie on it."""
