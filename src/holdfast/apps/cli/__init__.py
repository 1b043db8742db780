"""The command line: speaks through the client only, and holds no rule."""
