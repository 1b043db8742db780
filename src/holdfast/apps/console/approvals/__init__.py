"""Questions to people: what waits, one question whole, the answer."""
