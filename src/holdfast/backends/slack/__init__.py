"""Slack as it is spoken to."""
