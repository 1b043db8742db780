"""Runs, the dead-letter queue and unknown effects, for operators."""
