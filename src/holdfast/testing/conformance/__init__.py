"""Suites that a backend of a port inherits: passing them is what being a backend means."""
