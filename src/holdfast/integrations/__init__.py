"""Doors that live in a user's process: they translate, and hold no rule of their own."""
