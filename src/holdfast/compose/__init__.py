"""Configuration to wired objects: with each app's wiring, the only place to name a backend."""
