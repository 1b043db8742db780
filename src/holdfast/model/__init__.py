"""The nouns: frozen values, no I/O and no decisions."""
