"""Holdfast: runtime control for agents. Imports nothing, so that any part loads alone."""
