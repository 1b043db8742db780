"""Deleting what is old, when the operator asks for it."""
