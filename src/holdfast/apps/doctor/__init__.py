"""A project's settings looked at without a server: the five controls, and whether files hold."""
