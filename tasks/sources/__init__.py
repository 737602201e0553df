"""Where images come from: folders, tar files, Parquet, ready-made vectors."""
