"""Whether the server and what it needs are well."""
