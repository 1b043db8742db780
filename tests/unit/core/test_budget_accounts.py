"""Accounts and holds in full: every field after every verb, windows, and what stays in memory."""

import itertools
from datetime import UTC, datetime
from typing import Any

import msgspec
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
from tests.corpora.typed import checked

MODULE = pytest.mark.parametrize("module", ["holdfast.core.budgets"])
USD, TOKENS = Dimension.USD, Dimension.TOKENS
S_NS = 1_000_000_000
HOUR_NS, DAY_NS = 3_600 * S_NS, 86_400 * S_NS
NOW = 1_795_000_000 * S_NS // DAY_NS * DAY_NS


@pytest.fixture(autouse=True)
def typed(module):
    with checked(module) as wrong:
        yield
    assert wrong == []


def key(scope=Scope.SESSION, dimension=USD, window=Window.LIFE, owner="acme/x"):
    return AccountKey(scope, owner, dimension, window)


def state(of, limit=100, settled=0, **more):
    return AccountState(key=of, limit=limit, settled=settled, **more)


def held(hold_id, keys, session="s", **amounts):
    return HoldState(
        hold_id=hold_id, session=session, purpose="p", keys=tuple(keys),
        amounts={Dimension(name): amount for name, amount in amounts.items()}, opened_at_ns=NOW,
    )  # fmt: skip


def reserve(book, hold_id, keys, amounts, session="s"):
    return book.reserve(hold_id, keys, amounts, session=session, purpose="p", now_ns=NOW)


INNER, OUTER, COUNT = key(), key(Scope.TENANT), key(dimension=TOKENS)
CHAIN = (INNER, OUTER, COUNT)


def ledger(*states, holds=()):
    book = Ledger(states or (state(INNER), state(OUTER, 50), state(COUNT, None)), holds)
    book.use(CHAIN)
    return book


@MODULE
def test_a_hold_stands_on_every_account_in_its_own_dimension(module):
    book = ledger()
    assert reserve(book, "a", CHAIN, {USD: 30, TOKENS: 7}) == Reserved("a")
    assert book.states(CHAIN) == [
        state(INNER, held=30), state(OUTER, 50, held=30), state(COUNT, None, held=7),
    ]  # fmt: skip
    assert book.hold("a") == held("a", CHAIN, usd=30, tokens=7)
    assert book.extend("a", {USD: 20}, NOW) == Reserved("a")
    assert book.hold("a") == held("a", CHAIN, usd=50, tokens=7)
    assert book.extend("a", {USD: 1}, NOW) == Refused(OUTER, 50, 0, 50, 1, False)
    assert reserve(book, "b", CHAIN, {USD: 1}) == Refused(OUTER, 50, 0, 50, 1, True)
    assert reserve(book, "b", CHAIN, {USD: 51}) == Refused(INNER, 100, 0, 50, 51, True)
    assert reserve(book, "b", CHAIN, {USD: 101}) == Refused(INNER, 100, 0, 50, 101, False)
    assert reserve(book, "b", CHAIN, {USD: 0, TOKENS: 10**12}, session="t") == Reserved("b")
    assert book.states(CHAIN) == [
        state(INNER, held=50), state(OUTER, 50, held=50), state(COUNT, None, held=10**12 + 7),
    ]  # fmt: skip
    with pytest.raises(ValueError, match="hold `a` is open already"):
        reserve(book, "a", CHAIN, {})
    both = [book.hold("a"), book.hold("b")]
    assert [book.open_holds(), book.open_holds("s"), book.open_holds("t")] == [
        both,
        both[:1],
        both[1:],
    ]
    assert book.open_holds("u") == []
    assert book.hold("c") is None


@MODULE
def test_settling_takes_the_hold_away_and_counts_what_was_used(module):
    book = ledger()
    reserve(book, "a", CHAIN, {USD: 50, TOKENS: 7})
    assert book.settle("a", {USD: 20, TOKENS: 9}, NOW) == Settled((), ())
    assert book.settle("a", {USD: 20}, NOW) == Settled((), ())
    assert book.hold("a") is None
    assert book.states(CHAIN) == [
        state(INNER, settled=20),
        state(OUTER, 50, 20),
        state(COUNT, None, 9),
    ]
    assert book.spendings(CHAIN) == {INNER: 1, OUTER: 2, COUNT: 3}
    reserve(book, "b", CHAIN, {USD: 5})
    alerts: tuple[Alert, ...] = (Alert(OUTER, 50, 50, 25),)
    assert book.settle("b", {USD: 5}, NOW) == Settled(alerts, ())
    reserve(book, "c", CHAIN, {USD: 25})
    alerts = (Alert(INNER, 50, 100, 51), Alert(OUTER, 80, 50, 51), Alert(OUTER, 100, 50, 51))
    assert book.settle("c", {USD: 26}, NOW) == Settled(alerts, (OUTER,))
    assert book.states(CHAIN) == [
        state(INNER, settled=51, alerted=(50,)), state(OUTER, 50, 51, alerted=(50, 80, 100)),
        state(COUNT, None, 9),
    ]  # fmt: skip
    # Past its limit, but not by more than was held: nothing overshot.
    reserve(book, "d", CHAIN, {})
    assert book.settle("d", {USD: 0}, NOW) == Settled((), ())
    assert book.spendings(CHAIN) == {INNER: 6, OUTER: 7, COUNT: 3}
    # What is held by others counts where more is charged.
    book = ledger(state(INNER))
    reserve(book, "a", (INNER,), {USD: 40})
    reserve(book, "b", (INNER,), {USD: 60})
    assert book.settle("a", {USD: 41}, NOW) == Settled((), (INNER,))
    book = ledger(state(INNER))
    reserve(book, "a", (INNER,), {USD: 40})
    reserve(book, "b", (INNER,), {USD: 59})
    assert book.settle("a", {USD: 41}, NOW) == Settled((), ())


@MODULE
def test_alerts_are_due_at_their_percent_once_and_never_of_nothing(module):
    for used, due in (
        (49, ()),
        (50, (50,)),
        (79, (50,)),
        (80, (50, 80)),
        (99, (50, 80)),
        (100, (50, 80, 100)),
    ):
        book = ledger(state(INNER))
        reserve(book, "a", (INNER,), {USD: 100})
        expected = tuple(Alert(INNER, percent, 100, used) for percent in due)
        assert book.settle("a", {USD: used}, NOW) == Settled(expected, ())
        assert book.states([INNER]) == [state(INNER, settled=used, alerted=due)]
    book = ledger(state(INNER), state(OUTER, 0), state(COUNT, None, 5))
    assert [book.mark_full(one, NOW) for one in CHAIN] == [(), (), ()]
    reserve(book, "a", (INNER,), {USD: 1})
    book.settle("a", {USD: 1}, NOW)
    assert book.mark_full(INNER, NOW) == (Alert(INNER, 100, 100, 1),)
    assert book.mark_full(INNER, NOW) == ()
    assert book.states([INNER]) == [state(INNER, settled=1, alerted=(100,))]


@MODULE
def test_room_is_the_least_that_is_left_in_a_dimension(module):
    book = ledger(state(INNER, settled=10), state(OUTER, 50, 5), state(COUNT, None))
    reserve(book, "a", (OUTER,), {USD: 20})
    room = [
        book.room(CHAIN, one, NOW, held_counts=counts)
        for one in (USD, TOKENS)
        for counts in (True, False)
    ]
    assert room == [25, 45, None, None]
    assert book.room((INNER, OUTER), USD, NOW, held_counts=True) == 25
    assert book.room((OUTER, INNER), USD, NOW, held_counts=True) == 25
    assert book.room((COUNT, INNER), USD, NOW, held_counts=True) == 90
    assert book.full(CHAIN, NOW) is None
    book = ledger(state(COUNT, None, 9), state(INNER, settled=100), state(OUTER, 0))
    reserve(book, "a", (COUNT,), {TOKENS: 3})
    assert book.full((COUNT, INNER, OUTER), NOW) == Refused(INNER, 100, 100, 0, 0, False)
    assert book.full((OUTER, INNER), NOW) == Refused(OUTER, 0, 0, 0, 0, False)
    book = ledger(state(INNER, settled=99))
    reserve(book, "a", (INNER,), {USD: 1})
    assert book.full((INNER,), NOW) is None
    assert book.room((INNER,), USD, NOW, held_counts=True) == 0
    book.set_limit(INNER, 99, NOW)
    assert book.full((INNER,), NOW) == Refused(INNER, 99, 99, 1, 0, False)


@MODULE
def test_limits_come_from_the_configuration_until_somebody_sets_one(module):
    book = Ledger(absent=[INNER])
    assert book.account(INNER, NOW) is None
    cap = Limit(scope=Scope.SESSION, dimension=USD, window=Window.LIFE, amount=70, alerts=(90,))
    assert book.open_account(INNER, None, NOW) == state(INNER, None)
    assert book.open_account(INNER, cap, NOW) == state(INNER, 70, alerts=(90,))
    assert book.open_account(INNER, None, NOW) == state(INNER, 70, alerts=(90,))
    assert book.account(INNER, NOW) == state(INNER, 70, alerts=(90,))
    assert book.set_limit(INNER, 40, NOW) == state(INNER, 40, alerts=(90,), set_by_hand=True)
    assert book.open_account(INNER, cap, NOW) == state(INNER, 40, alerts=(90,), set_by_hand=True)
    for amount in (99, 100, 101, 160, 161, None):
        book = ledger(state(INNER, settled=80, alerted=(50, 80)))
        expected = state(INNER, amount, 80, alerted=(50, 80), set_by_hand=True)
        assert book.set_limit(INNER, amount, NOW) == expected
    book = ledger(state(INNER, None, 80, alerted=(50,)))
    assert book.set_limit(INNER, 1_000, NOW) == state(
        INNER, 1_000, 80, alerted=(50,), set_by_hand=True
    )
    with pytest.raises(LookupError, match=r"the account `tenant:.*` was not read from the store"):
        book.open_account(OUTER, cap, NOW)
    with pytest.raises(LookupError):
        book.account(OUTER, NOW)


@MODULE
def test_stored_holds_stand_on_stored_accounts_again(module):
    book = Ledger(
        [state(INNER, settled=3, held=77), state(COUNT, None)],
        [held("a", CHAIN[::2], usd=30, tokens=2)],
    )
    assert book.states(CHAIN[::2]) == [state(INNER, settled=3, held=30), state(COUNT, None, held=2)]
    assert book.open_holds() == [held("a", CHAIN[::2], usd=30, tokens=2)]
    book.settle("a", {}, NOW)
    assert book.all_states(NOW) == [state(INNER, settled=3), state(COUNT, None)]
    whole = state(
        INNER, 9, 8, period=4, buckets={1: 2}, alerts=(7,), alerted=(7, 6), set_by_hand=True
    )
    book = Ledger([whole])
    assert book.states([INNER]) == [msgspec.structs.replace(whole, alerted=(6, 7))]
    given = {5: 1}
    rolling = key(window=Window.HOUR)
    book = Ledger([state(rolling, settled=1, buckets=given)])
    book.account(rolling, NOW)
    assert given == {5: 1}


@MODULE
def test_an_account_leaves_when_nobody_uses_it_no_hold_is_open_and_all_is_kept(module):
    book = Ledger()
    assert book.use([INNER, OUTER]) == [INNER, OUTER]
    assert book.use([INNER]) == [INNER]
    assert [book.knows(one) for one in CHAIN] == [False] * 3
    with pytest.raises(LookupError, match="was read before anyone used it"):
        book.know([COUNT], [])
    book.know([INNER, OUTER], [state(INNER, settled=4)])
    assert [book.account(one, NOW) for one in (INNER, OUTER)] == [state(INNER, settled=4), None]
    book.know([INNER], [state(INNER, settled=9)])
    assert book.use([INNER]) == []
    assert book.account(INNER, NOW) == state(INNER, settled=4)
    for _ in range(2):
        book.leave([INNER])
        assert book.knows(INNER)
    book.leave([INNER, OUTER])
    assert [book.knows(INNER), book.knows(OUTER)] == [False, False]
    with pytest.raises(KeyError):
        book.leave([INNER])

    book = Ledger([state(INNER)])
    book.use([INNER])
    reserve(book, "a", [INNER], {})
    book.leave([INNER])
    assert book.knows(INNER)
    book.settle("a", {}, NOW)
    book.use([INNER])
    book.leave([INNER])
    assert not book.knows(INNER)

    book = Ledger([state(INNER)])
    for number, durable in enumerate((0, 1, 2)):
        book.use([INNER])
        reserve(book, f"h{number}", [INNER], {USD: 1})
        book.settle(f"h{number}", {USD: number != 2}, NOW)
        book.leave([INNER])
        assert book.knows(INNER)
        book.kept({INNER: durable, OUTER: 9})
        assert book.knows(INNER) is (durable != 2)
    book = Ledger([state(INNER)])
    book.use([INNER])
    reserve(book, "a", [INNER], {USD: 1})
    book.settle("a", {USD: 1}, NOW)
    book.kept({INNER: 1})
    assert book.knows(INNER)
    book.kept({INNER: 0})
    book.leave([INNER])
    assert not book.knows(INNER)


@MODULE
@pytest.mark.parametrize(
    ("window", "length_ns", "period"),
    [
        (Window.HOUR, HOUR_NS, NOW // HOUR_NS),
        (Window.DAY, DAY_NS, NOW // DAY_NS),
        (Window.CALENDAR_DAY, DAY_NS, NOW // DAY_NS),
        (Window.CALENDAR_MONTH, 30 * DAY_NS, 2026 * 12 + 11),
    ],
)
def test_a_window_forgets_when_it_has_gone_by_and_no_sooner(module, window, length_ns, period):
    assert datetime.fromtimestamp(NOW // S_NS, UTC).month == 11
    assert NOW % DAY_NS == 0
    one = key(window=window)
    book = Ledger([state(one, 10)])
    book.use([one])
    book.open_account(one, None, NOW)
    for amount in (0, 3, 4):
        book.reserve("a", [one], {USD: amount}, session="s", purpose="p", now_ns=NOW)
        book.settle("a", {USD: amount}, NOW)
    rolling = window in (Window.HOUR, Window.DAY)
    buckets = {NOW * 60 // length_ns: 7} if rolling else {}
    told: dict[str, Any] = {"told_at_ns": {50: NOW}} if rolling else {"period": period}
    spent = state(one, 10, 7, buckets=buckets, alerted=(50,), **told)
    assert book.account(one, NOW) == spent
    bucket_ns = length_ns // 60
    # A rolling one counts one bucket more; what it told of stands for as long as it is reached.
    if rolling:
        assert book.account(one, NOW + length_ns - 1) == spent
        assert book.account(one, NOW + length_ns + bucket_ns - 1) == spent
        gone = state(one, 10, **told)
        assert book.account(one, NOW + length_ns + bucket_ns) == gone
    else:
        first_ns = int(datetime(2026, 12, 1, tzinfo=UTC).timestamp()) * S_NS
        end_ns = NOW + DAY_NS if window is Window.CALENDAR_DAY else first_ns
        assert book.account(one, end_ns - 1) == spent
        assert book.account(one, end_ns) == state(one, 10, period=period + 1)
        # Clocks that go back forget nothing and bring nothing back.
        assert book.account(one, NOW) == state(one, 10, period=period + 1)


@MODULE
def test_a_life_never_ends_and_every_verb_rolls_first(module):
    life, day = key(), key(window=Window.CALENDAR_DAY)
    old = [state(life, 10, 9), state(day, 10, 9, period=NOW // DAY_NS - 1, alerted=(50,))]
    fresh = state(day, 10, period=NOW // DAY_NS)

    def book():
        made = Ledger(old)
        made.use([life, day])
        return made

    assert book().all_states(NOW) == [old[0], fresh]
    assert book().account(day, NOW) == fresh
    assert book().open_account(day, None, NOW) == fresh
    assert book().set_limit(day, 10, NOW) == msgspec.structs.replace(fresh, set_by_hand=True)
    assert book().room([day], USD, NOW, held_counts=True) == 10
    assert book().full([day], NOW) is None
    assert book().mark_full(day, NOW) == ()
    assert reserve(book(), "a", [day], {USD: 10}) == Reserved("a")
    assert reserve(book(), "a", [life], {USD: 2}) == Refused(life, 10, 9, 0, 2, False)
    made = book()
    reserve(made, "a", [day], {})
    assert made.settle("a", {USD: 1}, NOW) == Settled((), ())
    assert made.states([day]) == [msgspec.structs.replace(fresh, settled=1)]


@MODULE
def test_a_chain_runs_from_within_to_without_and_ancestors_stand_before_the_user(module):
    owners = {scope: f"o-{scope}" for scope in Scope}
    limits = [
        Limit(scope=scope, dimension=dimension, window=window, amount=1)
        for scope in reversed(Scope) for dimension in (USD, TOKENS) for window in (Window.LIFE, Window.HOUR)
    ]  # fmt: skip
    own = [
        AccountKey(scope, f"o-{scope}", dimension, window)
        for scope, dimension, window in itertools.product(
            Scope, (TOKENS, USD), (Window.HOUR, Window.LIFE)
        )
    ]  # fmt: skip
    parents = (key(owner="parent"), key(owner="grandparent"))
    assert chain(limits, owners) == tuple(own)
    assert chain(limits[:9], owners, limits[5:]) == tuple(own)
    assert chain((), owners, limits, parents) == (*own[:8], *parents, *own[8:])
    inner = [one for one in limits if one.scope in (Scope.TASK, Scope.SESSION)]
    assert chain(inner, owners, (), parents) == (*own[:8], *parents)
    assert chain((), owners, (), parents) == parents
