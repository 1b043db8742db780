"""A model provider that speaks the Messages API over HTTP."""
