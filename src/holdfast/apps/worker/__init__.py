"""A worker: takes runs one activation at a time, as a client of the server."""
