"""The asynchronous machinery around the core: the guard, the runs, the router, the hooks."""
