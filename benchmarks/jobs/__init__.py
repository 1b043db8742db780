"""Ordinary jobs, played by the real clients under what `holdfast init` writes."""
