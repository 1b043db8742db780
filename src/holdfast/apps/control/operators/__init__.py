"""Operators by name, beside the admin."""
