"""All sessions: found, sorted, paused, killed."""
