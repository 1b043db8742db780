"""Accounts and their limits."""
