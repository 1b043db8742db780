"""Holdfast: runtime control for agents. Imports nothing, so that any part loads alone."""

__version__ = "0.1.0"
