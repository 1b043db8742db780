"""The typed HTTP client of the control API: what the command line and users program against."""
