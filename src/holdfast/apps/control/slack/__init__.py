"""Slack's door: who answers and stops from there, held to all that holds for `/v1`."""
