"""Channels that people read: a webhook, Slack's, e-mail."""
