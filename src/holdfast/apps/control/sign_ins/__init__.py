"""Browsers of operators: links, sign-ins, their ends."""
