"""The policy process: decides in its own memory, over a unix socket, from its own files."""
