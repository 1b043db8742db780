"""Processes: one folder a process, none knowing another. Rules live below, not here."""
