"""Corpora of texts: WordNet's nouns and captions, each text once."""
