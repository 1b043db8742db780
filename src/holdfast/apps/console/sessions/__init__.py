"""One session: its story, its money, those that it started, held at hand."""
