"""Signing in by a link, out again, and who is signed in."""
