"""Near duplicates: neighbours by vector whose pixels agree, however resized, cropped or flipped."""
