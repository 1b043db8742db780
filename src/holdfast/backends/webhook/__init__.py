"""Alerts to a webhook: Slack's or one's own, signed."""
