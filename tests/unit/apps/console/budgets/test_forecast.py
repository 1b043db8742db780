"""Where spending leads by the end of a window."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.apps.console.budgets.forecast import forecast
from holdfast.model.budgets import Window

S = 1_000_000_000


def at(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> int:
    return int(datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp()) * S


def test_half_a_day_of_spending_is_half_of_what_is_coming():
    found = forecast(10, Window.CALENDAR_DAY, at(2026, 3, 1, 12))
    assert found == (20, at(2026, 3, 2))


def test_a_month_ends_with_its_last_day_over_the_turn_of_the_year_too():
    found = forecast(31, Window.CALENDAR_MONTH, at(2026, 12, 11))
    assert found is not None
    assert found == (96, at(2027, 1, 1))


@pytest.mark.parametrize("window", [Window.LIFE, Window.HOUR, Window.DAY])
def test_a_window_without_an_end_has_no_forecast(window):
    assert forecast(10, window, at(2026, 3, 1, 12)) is None


def test_of_the_first_minutes_nothing_follows():
    assert forecast(10, Window.CALENDAR_DAY, at(2026, 3, 1, 0, 10)) is None


@given(st.integers(0, 10**15), st.sampled_from(list(Window)), st.integers(0, 4 * 10**18))
def test_a_forecast_is_never_less_than_what_is_spent(settled, window, now_ns):
    found = forecast(settled, window, now_ns)
    assert found is None or (found.amount >= settled and found.ends_ns > now_ns)
