"""Durable runs: what waits for a person, and what becomes of it."""
