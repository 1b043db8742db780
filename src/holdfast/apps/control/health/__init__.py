"""Whether the server answers."""
