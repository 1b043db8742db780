"""The wall clock, for the one header that shows it."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_text() -> str:
    """Now, in UTC, as RFC 3339 with whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
