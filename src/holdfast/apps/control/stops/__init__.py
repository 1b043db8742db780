"""Pause, kill and resume parts of the fleet; what holds them now."""
