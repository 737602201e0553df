"""Vocabularies of a user's, and lists of ours: terms with descriptions, synonyms and parents."""
