"""Pictures: from the bytes of one file to its format, facts and upright 8-bit RGB pixels."""
