"""Spending keys: handing them out, taking them back."""
