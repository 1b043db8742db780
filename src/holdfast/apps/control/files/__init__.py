"""Whose files lie on the server's machine, as the operator says."""
