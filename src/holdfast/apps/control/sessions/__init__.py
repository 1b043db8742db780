"""Open, show, kill, pause, resume, end."""
