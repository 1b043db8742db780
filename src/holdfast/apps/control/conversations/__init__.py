"""Conversations that users' own loops keep: for a session's token, and for the operator's."""
