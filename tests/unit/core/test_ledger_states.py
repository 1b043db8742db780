"""The ledger account by account: every field after every step, windows to the nanosecond."""

from datetime import UTC, datetime

import pytest

from holdfast.core.budgets import Ledger, Settled, chain
from holdfast.model.budgets import (
    AccountKey,
    AccountState,
    Alert,
    Dimension,
    HoldState,
    Limit,
    Refused,
    Reserved,
    Scope,
    Window,
)

USD, TURNS = Dimension.USD, Dimension.TURNS
S = 1_000_000_000
HOUR, DAY = 3_600 * S, 86_400 * S
NOW = 20_000 * DAY


def key(scope=Scope.SESSION, window=Window.LIFE, dimension=USD, owner="o"):
    return AccountKey(scope, owner, dimension, window)


def cap(one, amount, alerts=(50, 80, 100)):
    return Limit(
        scope=one.scope, dimension=one.dimension, window=one.window, amount=amount, alerts=alerts
    )


def book(*keys, limit=100, now=NOW, **more):
    made = Ledger(absent=keys)
    for one in keys:
        made.open_account(one, None if limit is None else cap(one, limit, **more), now)
    return made


def reserve(made, hold_id, keys, now=NOW, **amounts):
    given = {Dimension(name): amount for name, amount in amounts.items()}
    return made.reserve(hold_id, keys, given, session="s", purpose="model", now_ns=now)


def spend(made, keys, amount, now=NOW):
    assert isinstance(reserve(made, "spent", keys, now, usd=amount), Reserved)
    return made.settle("spent", {USD: amount}, now)


LIFE = key()


def state(one=LIFE, limit=100, settled=0, **more):
    return AccountState(key=one, limit=limit, settled=settled, **more)


def test_an_account_is_told_with_all_its_fields():
    stored = AccountState(
        key=key(window=Window.HOUR),
        limit=9,
        settled=5,
        period=NOW // HOUR,
        buckets={NOW * 60 // HOUR: 5},
        alerts=(10, 20),
        alerted=(20, 10),
        told_at_ns={20: NOW, 10: NOW - 1, 30: NOW - HOUR},
        set_by_hand=True,
    )
    made = Ledger([stored])
    told = made.account(stored.key, NOW)
    assert told == AccountState(
        key=stored.key,
        limit=9,
        settled=5,
        held=0,
        period=NOW // HOUR,
        buckets={NOW * 60 // HOUR: 5},
        alerts=(10, 20),
        alerted=(10, 20),
        told_at_ns={20: NOW, 10: NOW - 1, 30: NOW - HOUR},
        set_by_hand=True,
    )
    assert made.states([stored.key]) == made.all_states(NOW) == [told]
    assert made.open_account(stored.key, cap(stored.key, 1), NOW) == told


def test_an_account_that_does_not_exist_is_none_until_it_is_used():
    made = Ledger(absent=[LIFE])
    assert made.account(LIFE, NOW) is None
    assert made.all_states(NOW) == []
    assert made.open_account(LIFE, None, NOW) == state(limit=None)
    assert made.account(LIFE, NOW) == state(limit=None)
    assert made.open_account(LIFE, cap(LIFE, 7, (3,)), NOW) == state(limit=7, alerts=(3,))
    with pytest.raises(LookupError, match="was not read from the store"):
        made.account(key(owner="other"), NOW)


def test_reserving_extending_and_settling_change_what_they_say_and_nothing_else():
    turns = key(dimension=TURNS)
    made = book(LIFE, turns)
    assert reserve(made, "h", (LIFE, turns), usd=30, turns=2) == Reserved("h")
    hold = HoldState(
        hold_id="h",
        session="s",
        purpose="model",
        keys=(LIFE, turns),
        amounts={USD: 30, TURNS: 2},
        opened_at_ns=NOW,
    )
    assert made.hold("h") == hold
    assert made.open_holds() == made.open_holds("s") == [hold]
    assert made.open_holds("t") == []
    assert made.states([LIFE, turns]) == [state(held=30), state(turns, held=2)]
    assert made.extend("h", {USD: 20, Dimension.SECONDS: 5}, NOW) == Reserved("h")
    grown = made.hold("h")
    assert grown is not None
    assert grown.amounts == {USD: 50, TURNS: 2, Dimension.SECONDS: 5}
    assert made.states([LIFE]) == [state(held=50)]
    assert made.settle("h", {USD: 49}, NOW) == Settled((), ())
    assert made.states([LIFE, turns]) == [state(settled=49), state(turns)]
    assert made.hold("h") is None
    assert made.settle("h", {USD: 49}, NOW) == Settled((), ())
    assert made.states([LIFE]) == [state(settled=49)]


def test_a_refusal_tells_the_account_and_whether_waiting_helps():
    inner, outer = LIFE, key(Scope.USER)
    made = book(inner, outer)
    spend(made, (inner, outer), 40)
    reserve(made, "other", (outer,), usd=50)
    assert reserve(made, "h", (inner, outer), usd=60) == Refused(
        key=outer, limit=100, settled=40, held=50, wanted=60, fits_when_settled=True
    )
    assert reserve(made, "h", (inner, outer), usd=61) == Refused(
        key=inner, limit=100, settled=40, held=0, wanted=61, fits_when_settled=False
    )
    assert made.hold("h") is None
    assert made.states([inner]) == [state(inner, settled=40, held=0)]
    assert reserve(made, "h", (inner, outer), usd=10) == Reserved("h")
    assert made.extend("h", {USD: 1}, NOW) == Refused(
        key=outer, limit=100, settled=40, held=60, wanted=1, fits_when_settled=True
    )
    assert made.extend("h", {USD: 50}, NOW) == Refused(outer, 100, 40, 60, 50, True)
    assert made.extend("h", {USD: 51}, NOW) == Refused(inner, 100, 40, 10, 51, False)
    assert reserve(made, "none", (inner, outer), usd=0) == Reserved("none")


def test_a_hold_of_nothing_is_a_hold_and_its_name_is_taken():
    made = book(LIFE)
    reserve(made, "h", (LIFE,))
    with pytest.raises(ValueError, match="hold `h` is open already"):
        reserve(made, "h", (LIFE,))


@pytest.mark.parametrize(
    ("held", "actual", "other", "overshot"),
    [(50, 50, 0, False), (50, 100, 0, False), (50, 101, 0, True), (50, 51, 50, True),
     (50, 50, 50, False), (50, 49, 50, False), (0, 1, 100, True), (0, 0, 100, False)],
)  # fmt: skip
def test_an_account_is_overshot_by_a_call_that_used_more_than_it_held_past_the_limit(
    held, actual, other, overshot
):
    made = book(LIFE, alerts=())
    reserve(made, "h", (LIFE,), usd=held)
    reserve(made, "other", (LIFE,), usd=other)
    assert made.settle("h", {USD: actual}, NOW) == Settled((), (LIFE,) if overshot else ())


def test_a_call_that_kept_to_its_hold_is_innocent_of_an_account_that_another_overshot():
    made = book(LIFE, alerts=())
    reserve(made, "guilty", (LIFE,), usd=10)
    reserve(made, "innocent", (LIFE,), usd=50)
    assert made.settle("guilty", {USD: 90}, NOW).overshot == (LIFE,)
    assert made.settle("innocent", {USD: 50}, NOW).overshot == ()


@pytest.mark.parametrize(
    ("spent", "percents"),
    [(0, ()), (49, ()), (50, (50,)), (79, (50,)), (80, (50, 80)), (100, (50, 80, 100))],
)
def test_an_alert_is_due_from_its_percent_on_and_once(spent, percents):
    made = book(LIFE)
    told = spend(made, (LIFE,), spent).alerts
    assert told == tuple(Alert(LIFE, percent, 100, spent) for percent in percents)
    assert spend(made, (LIFE,), 0).alerts == ()
    assert made.states([LIFE])[0].alerted == percents


def test_a_refusal_for_money_is_the_last_alert_where_something_was_spent():
    made = book(LIFE, alerts=(80, 100, 120))
    assert made.mark_full(LIFE, NOW) == ()
    spend(made, (LIFE,), 1)
    assert made.mark_full(LIFE, NOW) == (Alert(LIFE, 100, 100, 1),)
    assert made.mark_full(LIFE, NOW) == ()
    unlimited = key(owner="u")
    free = book(unlimited, limit=None)
    spend(free, (unlimited,), 5)
    assert free.mark_full(unlimited, NOW) == ()


def test_an_account_of_no_limit_alerts_of_what_it_spent_and_a_limit_of_nothing_is_reached():
    made = book(LIFE, limit=0, alerts=(100,))
    reserve(made, "h", (LIFE,))
    assert made.settle("h", {USD: 1}, NOW) == Settled((Alert(LIFE, 100, 0, 1),), (LIFE,))


@pytest.mark.parametrize("amount", [0, 99, 100, 159, 160, 161, 10_000, None])
def test_alerts_are_not_told_again_whatever_a_cap_is_changed_to(amount):
    alerted = (50, 80)
    made = book(LIFE)
    spend(made, (LIFE,), 80)
    told = made.set_limit(LIFE, amount, NOW)
    assert told == state(settled=80, limit=amount, alerted=alerted, set_by_hand=True)
    assert made.open_account(LIFE, cap(LIFE, 1), NOW).limit == amount


@pytest.mark.parametrize(
    ("held_counts", "left"), [(True, 60 - 25), (False, 60)]
)  # fmt: skip
def test_room_is_the_least_that_is_left_of_one_dimension(held_counts, left):
    wide, tight, turns = key(Scope.TENANT), LIFE, key(dimension=TURNS)
    made = book(wide, limit=1_000)
    for one, amount in ((tight, 100), (turns, 1)):
        made.use([one])
        made.know([one], [])
        made.open_account(one, cap(one, amount), NOW)
    spend(made, (tight,), 40)
    reserve(made, "h", (tight,), usd=25)
    keys = (tight, wide, turns)
    assert made.room(keys, USD, NOW, held_counts=held_counts) == left
    assert made.room(keys[1:], USD, NOW, held_counts=held_counts) == 1_000
    assert made.room((turns,), USD, NOW, held_counts=held_counts) is None


def test_an_account_is_full_once_all_of_it_is_spent_holds_apart():
    inner, outer = LIFE, key(Scope.USER)
    made = book(inner, outer)
    spend(made, (outer,), 99)
    reserve(made, "h", (outer,), usd=1)
    assert made.full((inner, outer), NOW) is None
    made.settle("h", {USD: 1}, NOW)
    assert made.full((inner, outer), NOW) == Refused(outer, 100, 100, 0, 0, False)
    assert book(inner, limit=0).full((inner,), NOW) == Refused(inner, 0, 0, 0, 0, False)
    assert book(inner, limit=None).full((inner,), NOW) is None


@pytest.mark.parametrize(
    ("window", "length"), [(Window.HOUR, HOUR), (Window.DAY, DAY)]
)  # fmt: skip
def test_a_rolling_window_forgets_bucket_by_bucket_and_never_too_early(window, length):
    one = key(window=window)
    made = book(one)
    spend(made, (one,), 7)
    spend(made, (one,), 5, NOW + length // 60)
    spend(made, (one,), 3, NOW + length // 60 + 1)
    buckets = {NOW * 60 // length: 7, NOW * 60 // length + 1: 8}

    def at(now):
        told = made.account(one, now)
        return told.settled, told.buckets

    assert at(NOW + length // 60 + 1) == (15, buckets)
    assert at(NOW + length) == (15, buckets)
    edge = NOW + length // 60 * 61
    assert at(edge - 1) == (15, buckets)
    assert at(edge) == (8, {NOW * 60 // length + 1: 8})
    assert at(edge + length // 60 - 1)[0] == 8
    assert at(edge + length // 60) == (0, {})


def ns(*when):
    return int(datetime(*when).replace(tzinfo=UTC).timestamp()) * S  # noqa: DTZ001


@pytest.mark.parametrize(
    ("window", "before", "after"),
    [
        (Window.CALENDAR_DAY, ns(2026, 2, 28, 23, 59, 59) + S - 1, ns(2026, 3, 1)),
        (Window.CALENDAR_MONTH, ns(2026, 2, 28, 23, 59, 59) + S - 1, ns(2026, 3, 1)),
        (Window.CALENDAR_MONTH, ns(2025, 12, 31), ns(2026, 1, 1)),
    ],
)
def test_a_calendar_window_begins_anew_at_its_edge_with_its_alerts(window, before, after):
    one = key(window=window)
    made = book(one, now=before)
    assert len(spend(made, (one,), 80, before).alerts) == 2
    told = made.account(one, before)
    assert (told.settled, told.alerted, told.buckets) == (80, (50, 80), {})
    fresh = made.account(one, after)
    assert (fresh.settled, fresh.alerted) == (0, ())
    assert fresh.period == told.period + 1
    again = made.account(one, before)
    assert (again.settled, again.period) == (0, fresh.period)


def test_alerts_of_a_rolling_window_come_again_once_its_spending_was_below():
    one = key(window=Window.HOUR)
    made = book(one)
    assert len(spend(made, (one,), 50, NOW + HOUR - 1).alerts) == 1
    assert spend(made, (one,), 0, NOW + HOUR - 1).alerts == ()
    assert spend(made, (one,), 0, NOW + HOUR).alerts == ()
    assert spend(made, (one,), 50, NOW + 3 * HOUR).alerts == (Alert(one, 50, 100, 50),)


def test_an_account_is_kept_while_it_is_used_held_or_not_yet_durable():
    one, two = LIFE, key(owner="two")
    made = Ledger()
    assert made.use([one, two]) == [one, two]
    assert made.use([one]) == [one]
    made.know([one, two], [state(one, settled=9)])
    assert made.use([one]) == []
    assert (made.account(one, NOW), made.account(two, NOW)) == (state(one, settled=9), None)
    made.know([one], [state(one, settled=1)])
    assert made.account(one, NOW) == state(one, settled=9)
    made.leave([one])
    made.leave([one])
    made.leave([two])
    assert (made.knows(one), made.knows(two)) == (True, False)
    made.leave([one])
    assert made.knows(one) is False
    with pytest.raises(LookupError, match="was read before anyone used it"):
        made.know([two], [])


def test_what_was_spent_stays_until_it_is_durable():
    made = Ledger()
    made.use([LIFE])
    made.know([LIFE], [])
    made.open_account(LIFE, cap(LIFE, 100), NOW)
    reserve(made, "h", (LIFE,), usd=5)
    made.leave([LIFE])
    assert made.knows(LIFE)
    made.settle("h", {USD: 5}, NOW)
    first = made.spendings([LIFE])
    assert first == {LIFE: 1}
    made.use([LIFE])
    spend(made, (LIFE,), 1)
    made.leave([LIFE])
    made.kept(first)
    assert made.knows(LIFE)
    made.kept({LIFE: 2})
    assert not made.knows(LIFE)
    made.kept({LIFE: 3})


def test_spendings_are_numbered_over_all_accounts_and_nothing_is_none():
    one, two = LIFE, key(Scope.USER)
    made = book(one, two)
    assert made.spendings([one, two]) == {one: 0, two: 0}
    spend(made, (one, two), 1)
    assert made.spendings([one, two]) == {one: 1, two: 2}
    spend(made, (one,), 0)
    assert made.spendings([one, two]) == {one: 1, two: 2}
    made.kept({one: 1})
    made.kept({one: 0})


def test_a_hold_of_before_keeps_its_account_and_counts_on_it():
    hold = HoldState(
        hold_id="h", session="s", purpose="p", keys=(LIFE,), amounts={USD: 7}, opened_at_ns=1
    )
    made = Ledger([state(settled=3)], [hold])
    assert made.states([LIFE]) == [state(settled=3, held=7)]
    made.use([LIFE])
    made.leave([LIFE])
    assert made.knows(LIFE)
    assert made.settle("h", {USD: 2}, NOW) == Settled((), ())
    assert made.states([LIFE]) == [state(settled=5, held=0)]


def test_a_chain_runs_from_the_task_outwards_with_those_above_between():
    def limit(scope, dimension=USD, window=Window.LIFE):
        return Limit(scope=scope, dimension=dimension, window=window, amount=1)

    owners = {scope: f"own-{scope}" for scope in Scope}

    def own(scope, dimension=USD, window=Window.LIFE):
        return AccountKey(scope, f"own-{scope}", dimension, window)

    limits = [limit(Scope.TENANT), limit(Scope.SESSION, TURNS), limit(Scope.SESSION),
              limit(Scope.SESSION, USD, Window.DAY), limit(Scope.TASK)]  # fmt: skip
    counted = [limit(Scope.USER, TURNS), limit(Scope.TASK)]
    inner = (
        own(Scope.TASK), own(Scope.SESSION, TURNS), own(Scope.SESSION, USD, Window.DAY),
        own(Scope.SESSION),
    )  # fmt: skip
    outer = (own(Scope.USER, TURNS), own(Scope.TENANT))
    assert chain(limits, owners, counted) == (*inner, *outer)
    above = (key(owner="parent"), key(Scope.TASK, owner="parent"))
    assert chain(limits, owners, counted, above) == (*inner, *above, *outer)
    assert chain(limits[1:3], owners, (), above) == (
        own(Scope.SESSION, TURNS), own(Scope.SESSION), *above,
    )  # fmt: skip
    assert chain([], owners) == ()
