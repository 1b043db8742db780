"""Quiet hours: within them it says when they are over, outside of them that they are not."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.quiet_hours import QuietHours

NS = 1_000_000_000
NIGHT = QuietHours(start=time(22), end=time(7), zone="Europe/Berlin")


def ns(text: str, zone: str = "Europe/Berlin") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * NS


@pytest.mark.parametrize(
    ("now", "over"),
    [
        ("2026-12-01T21:59:59", ""),
        ("2026-12-01T22:00:00", "2026-12-02T07:00:00"),
        ("2026-12-02T00:00:00", "2026-12-02T07:00:00"),
        ("2026-12-02T06:59:59", "2026-12-02T07:00:00"),
        ("2026-12-02T07:00:00", ""),
        # The nights in which clocks are changed have an hour less, and one more.
        ("2026-03-29T01:30:00", "2026-03-29T07:00:00"),
        ("2026-10-25T01:30:00", "2026-10-25T07:00:00"),
    ],
)
def test_a_night_is_over_in_the_morning_of_its_own_zone(now, over):
    assert NIGHT.until_ns(ns(now)) == (ns(over) if over else 0)


def test_hours_within_a_day_and_none_at_all():
    lunch = QuietHours(start=time(12), end=time(13, 30))
    assert lunch.until_ns(ns("2026-12-01T12:15:00", "UTC")) == ns("2026-12-01T13:30:00", "UTC")
    assert lunch.until_ns(ns("2026-12-01T13:30:00", "UTC")) == 0
    never = QuietHours(start=time(9), end=time(9))
    assert never.until_ns(ns("2026-12-01T09:00:00", "UTC")) == 0


@given(
    at=st.integers(0, 2 * 365 * 86_400).map(lambda s: datetime.fromtimestamp(1767225600 + s, UTC)),
    start=st.times().map(lambda one: one.replace(second=0, microsecond=0)),
    end=st.times().map(lambda one: one.replace(second=0, microsecond=0)),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Apia"]),
)
def test_they_are_over_within_a_day_and_a_bit_and_not_before_now(at, start, end, zone):
    quiet = QuietHours(start=start, end=end, zone=zone)
    at_ns = int(at.timestamp()) * NS
    over_ns = quiet.until_ns(at_ns)
    assert over_ns == 0 or at_ns < over_ns <= at_ns + int(timedelta(hours=26).total_seconds()) * NS
    if over_ns:
        shown = datetime.fromtimestamp(over_ns // NS, UTC).astimezone(ZoneInfo(zone))
        assert shown.time() == end or over_ns == at_ns + 1 or shown.utcoffset() != _offset(at, zone)


def _offset(at, zone):
    return at.astimezone(ZoneInfo(zone)).utcoffset()
