"""The ledger: all or none, windows that never forget too early, alerts once."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.budgets import Ledger
from holdfast.model.budgets import (
    AccountKey,
    AccountState,
    Dimension,
    Limit,
    Refused,
    Reserved,
    Scope,
    Window,
)

USD = Dimension.USD
HOUR_NS = 3_600_000_000_000
DAY_NS = 24 * HOUR_NS
NOW = 1_795_000_000_000_000_000 // DAY_NS * DAY_NS


def key(scope=Scope.SESSION, window=Window.LIFE, dimension=USD):
    return AccountKey(scope, "acme/x", dimension, window)


def ledger(*keys, limit=100, alerts=(50, 80, 100)) -> Any:
    book = Ledger(absent=(*keys, key(Scope.TENANT)))
    for one in keys:
        cap = Limit(
            scope=one.scope,
            dimension=one.dimension,
            window=one.window,
            amount=limit,
            alerts=alerts,
        )
        book.open_account(one, cap, NOW)
    return book


def hold(book, hold_id, keys, amount, now=NOW):
    return book.reserve(hold_id, keys, {USD: amount}, session="s", purpose="p", now_ns=now)


def spend(book, hold_id, keys, amount, now=NOW):
    assert isinstance(hold(book, hold_id, keys, amount, now), Reserved)
    return book.settle(hold_id, {USD: amount}, now)


def test_refusal_names_the_innermost_account_and_nothing_is_held():
    inner, outer = key(), key(Scope.TENANT)
    book = ledger(inner, outer)
    hold(book, "a", (outer,), 60)
    refused = hold(book, "b", (inner, outer), 120)
    assert isinstance(refused, Refused)
    assert refused.key == inner
    refused = hold(book, "b", (inner, outer), 50)
    assert isinstance(refused, Refused)
    assert (refused.key, refused.held, refused.wanted) == (outer, 60, 50)
    assert refused.fits_when_settled
    assert book.account(inner, NOW).held == 0


def test_amount_that_what_is_spent_refuses_does_not_fit_when_settled():
    book = ledger(key())
    spend(book, "a", (key(),), 60)
    refused = hold(book, "b", (key(),), 50)
    assert isinstance(refused, Refused)
    assert not refused.fits_when_settled


def test_held_counts_in_the_refusal():
    book = ledger(key())
    hold(book, "a", (key(),), 100)
    assert isinstance(hold(book, "b", (key(),), 1), Refused)


def test_extension_is_all_or_none_and_counts_its_own_hold_as_needed():
    inner, outer = key(), key(Scope.TENANT)
    book = ledger(inner, outer)
    hold(book, "a", (inner, outer), 60)
    hold(book, "b", (outer,), 30)
    refused = book.extend("a", {USD: 20}, NOW)
    assert isinstance(refused, Refused)
    assert refused.key == outer
    assert refused.fits_when_settled
    assert book.account(inner, NOW).held == 60
    assert isinstance(book.extend("a", {USD: 10}, NOW), Reserved)
    assert not book.extend("a", {USD: 41}, NOW).fits_when_settled


def test_settling_twice_settles_once():
    book = ledger(key())
    spend(book, "a", (key(),), 10)
    assert book.settle("a", {USD: 10}, NOW).alerts == ()
    assert book.account(key(), NOW).settled == 10


def test_hold_id_is_used_once_at_a_time():
    book = ledger(key())
    hold(book, "a", (key(),), 1)
    with pytest.raises(ValueError, match="open already"):
        hold(book, "a", (key(),), 1)


def test_more_charged_than_held_is_named_only_where_it_passed_the_limit():
    book = ledger(key())
    hold(book, "a", (key(),), 90)
    assert book.settle("a", {USD: 95}, NOW).overshot == ()
    hold(book, "b", (key(),), 5)
    assert book.settle("b", {USD: 6}, NOW).overshot == (key(),)


def test_a_refusal_with_nothing_spent_alerts_of_nothing():
    book = ledger(key())
    assert book.mark_full(key(), NOW) == ()
    spend(book, "a", (key(),), 1)
    assert [a.percent for a in book.mark_full(key(), NOW)] == [100]


def test_alerts_come_once_a_window_also_where_the_cap_was_raised():
    book = ledger(key())
    assert [a.percent for a in spend(book, "a", (key(),), 85).alerts] == [50, 80]
    assert spend(book, "b", (key(),), 1).alerts == ()
    assert [a.percent for a in book.mark_full(key(), NOW)] == [100]
    assert book.mark_full(key(), NOW) == ()
    book.set_limit(key(), 200, NOW)
    assert spend(book, "c", (key(),), 80).alerts == ()
    assert spend(book, "d", (key(),), 34).alerts == ()


def test_a_rolling_window_is_one_window_and_tells_again_only_once_it_was_below():
    day = key(window=Window.DAY)
    book = ledger(day)
    midnight = (NOW // DAY_NS + 1) * DAY_NS
    assert [a.percent for a in spend(book, "a", (day,), 85, midnight - HOUR_NS).alerts] == [50, 80]
    assert spend(book, "b", (day,), 1, midnight + 1).alerts == ()
    assert spend(book, "c", (day,), 1, midnight + 22 * HOUR_NS).alerts == ()
    later = midnight + 3 * DAY_NS
    assert [a.percent for a in spend(book, "d", (day,), 60, later).alerts] == [50]


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(1, 6 * HOUR_NS)), max_size=60))
def test_a_rolling_window_never_tells_twice_within_its_length_nor_misses_a_crossing(spent):
    day = key(window=Window.DAY)
    book, now, told = ledger(day), NOW, dict[int, int]()
    for n, (amount, wait_ns) in enumerate(spent):
        now += wait_ns
        room = 100 - book.account(day, now).settled
        if room <= 0:
            continue
        before = book.account(day, now)
        alerts = [a.percent for a in spend(book, f"h{n}", (day,), min(amount, room), now).alerts]
        after = book.account(day, now)
        for percent in (50, 80, 100):
            crossed = before.settled < percent <= after.settled
            if percent in alerts:
                assert percent not in told or now - told[percent] >= DAY_NS
                told[percent] = now
                assert after.settled >= percent
            elif crossed:
                assert now - told[percent] < DAY_NS, "a crossing that nobody was told of"


def test_what_a_version_before_told_of_a_rolling_window_is_not_told_again_within_it():
    day = key(window=Window.DAY)
    stored = AccountState(
        key=day, limit=100, settled=0, period=NOW // DAY_NS, alerts=(50,), alerted=(50,)
    )
    book, since = Ledger([stored]), NOW // DAY_NS * DAY_NS
    assert spend(book, "a", (day,), 60, since + DAY_NS - 1).alerts == ()
    assert [a.percent for a in spend(book, "b", (day,), 1, since + DAY_NS).alerts] == [50]


def test_calendar_windows_begin_anew_with_the_day_and_the_month():
    day, month = key(window=Window.CALENDAR_DAY), key(window=Window.CALENDAR_MONTH)
    book = ledger(day, month)
    spend(book, "a", (day, month), 60)
    assert book.account(day, NOW + DAY_NS - 1).settled == 60
    assert book.account(day, NOW + DAY_NS).settled == 0
    assert book.account(month, NOW + DAY_NS).settled == 60
    assert book.account(month, NOW + 31 * DAY_NS).settled == 0
    assert [a.percent for a in spend(book, "b", (day,), 60, NOW + DAY_NS).alerts] == [50]


def test_rolling_hour_forgets_after_an_hour_and_not_a_moment_before():
    hour = key(window=Window.HOUR)
    for offset in (0, 1, HOUR_NS // 60 - 1, 17 * HOUR_NS // 60):
        book = ledger(hour)
        spend(book, "a", (hour,), 60, NOW + offset)
        assert book.account(hour, NOW + offset + HOUR_NS - 1).settled == 60
        assert book.account(hour, NOW + offset + HOUR_NS + 2 * HOUR_NS // 60).settled == 0


def test_hold_over_the_end_of_a_window_counts_where_it_settles():
    day = key(window=Window.CALENDAR_DAY)
    book = ledger(day)
    hold(book, "a", (day,), 60)
    assert isinstance(hold(book, "b", (day,), 50, NOW + DAY_NS), Refused)
    book.settle("a", {USD: 60}, NOW + DAY_NS)
    assert book.account(day, NOW + DAY_NS).settled == 60


def test_cap_lowered_below_what_is_spent_only_refuses_what_comes_next():
    book = ledger(key())
    spend(book, "a", (key(),), 80)
    assert book.set_limit(key(), 10, NOW).settled == 80
    assert isinstance(hold(book, "b", (key(),), 1), Refused)
    assert book.set_limit(key(), None, NOW).limit is None
    assert isinstance(hold(book, "c", (key(),), 10**9), Reserved)


def test_ledger_rebuilt_from_states_and_holds_is_the_same():
    keys = (key(), key(Scope.USER, Window.HOUR), key(Scope.TENANT, Window.CALENDAR_MONTH))
    book = ledger(*keys)
    spend(book, "a", keys, 55)
    hold(book, "b", keys, 20)
    again: Any = Ledger(book.all_states(NOW), book.open_holds())
    assert again.all_states(NOW) == book.all_states(NOW)
    later = NOW + 2 * HOUR_NS
    assert again.all_states(later) == book.all_states(later)
    again.settle("b", {USD: 5}, NOW)
    assert again.account(key(), NOW).settled == 60


def test_room_is_the_least_that_is_left_and_none_without_a_limit():
    book = ledger(key(), key(Scope.USER))
    assert book.room((key(Scope.TENANT),), USD, NOW, held_counts=True) is None
    hold(book, "a", (key(),), 30)
    both = (key(), key(Scope.USER))
    assert book.room(both, USD, NOW, held_counts=True) == 70
    assert book.room(both, USD, NOW, held_counts=False) == 100
