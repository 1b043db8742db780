"""Where an account's spending leads by the end of its window, at the rate so far.

Windows of the calendar end; rolling ones and whole lives do not, and have no forecast.
"""

from datetime import UTC, datetime
from typing import NamedTuple

from holdfast.model.budgets import Window

_NS = 1_000_000_000
_DAY_NS = 86_400 * _NS
# Of the first moments of a window nothing follows.
_LEAST_SHARE = 0.02


class Forecast(NamedTuple):
    """What will be spent when the window ends, in the account's own unit."""

    amount: int
    ends_ns: int


def forecast(settled: int, window: Window, now_ns: int) -> Forecast | None:
    """None where the window has no end, or has only begun."""
    span = _span(window, now_ns)
    if span is None:
        return None
    begins_ns, ends_ns = span
    share = (now_ns - begins_ns) / (ends_ns - begins_ns)
    if share < _LEAST_SHARE:
        return None
    return Forecast(max(round(settled / share), settled), ends_ns)


def _span(window: Window, now_ns: int) -> tuple[int, int] | None:
    if window is Window.CALENDAR_DAY:
        begins_ns = now_ns // _DAY_NS * _DAY_NS
        return begins_ns, begins_ns + _DAY_NS
    if window is Window.CALENDAR_MONTH:
        at = datetime.fromtimestamp(now_ns // _NS, UTC)
        first = datetime(at.year, at.month, 1, tzinfo=UTC)
        following = datetime(at.year + at.month // 12, at.month % 12 + 1, 1, tzinfo=UTC)
        return int(first.timestamp()) * _NS, int(following.timestamp()) * _NS
    return None
