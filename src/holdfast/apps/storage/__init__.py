"""Work at a project's store without a server: moving it."""
