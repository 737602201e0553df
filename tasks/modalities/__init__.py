"""Further modalities of each image: texts of its metadata, or ready-made vectors."""
