"""The breaker's whole table: every state, every report, fresh and stale."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.breaker import Breaker, BreakerLimits, BreakerState

CLOSED, OPEN, HALF = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN
LIMITS = BreakerLimits(failures=5, reset_ns=60)


def let_in(breaker, now=0):
    """The ticket of a call that must pass."""
    ticket = breaker.admit(now)
    assert ticket is not None
    return ticket


def at(state):
    """A breaker in a state, a ticket of that state, and one from before."""
    breaker = Breaker(LIMITS)
    old = let_in(breaker)
    if state is CLOSED:
        return breaker, old, old - 1
    for _ in range(5):
        breaker.failed(let_in(breaker), 0)
    if state is OPEN:
        return breaker, breaker._epoch, old
    return breaker, let_in(breaker, 60), old


@pytest.mark.parametrize("fresh", [True, False])
@pytest.mark.parametrize("report", ["answered", "completed", "failed", "forgotten"])
@pytest.mark.parametrize("state", list(BreakerState))
def test_every_report_in_every_state(state, report, fresh):
    breaker, ticket, stale = at(state)
    given_ticket = ticket if fresh else stale
    changed = (
        breaker.failed(given_ticket, 100)
        if report == "failed"
        else getattr(breaker, report)(given_ticket)
    )
    after = {
        (HALF, "answered"): CLOSED,
        (HALF, "completed"): CLOSED,
        (HALF, "failed"): OPEN,
        (HALF, "forgotten"): OPEN,
    }.get((state, report), state)
    if not fresh:
        after = state
    assert breaker.state is after
    assert bool(changed) == (after is not state and report != "forgotten")


def test_five_failures_open_it_and_the_fourth_does_not():
    breaker = Breaker(LIMITS)
    told = [breaker.failed(let_in(breaker), 0) for _ in range(4)]
    assert (told, breaker.state) == ([False] * 4, CLOSED)
    assert breaker.failed(let_in(breaker), 0)
    assert breaker.state is OPEN


def test_a_whole_answer_forgets_failures_and_a_beginning_does_not():
    breaker = Breaker(LIMITS)
    for _ in range(4):
        breaker.failed(let_in(breaker), 0)
    breaker.answered(let_in(breaker))
    assert breaker.failures == 4
    breaker.completed(let_in(breaker))
    assert breaker.failures == 0


def test_open_admits_nobody_until_its_time_and_then_exactly_one():
    breaker, _, _ = at(OPEN)
    assert [breaker.admit(now) for now in (0, 30, 59)] == [None] * 3
    assert breaker.wait_ns(20) == 40
    assert breaker.admit(60) is not None
    assert [breaker.admit(now) for now in (60, 61, 10_000)] == [None] * 3


def test_a_probe_that_fails_closes_the_door_for_a_whole_time_again():
    breaker, ticket, _ = at(HALF)
    assert breaker.failed(ticket, 60)
    assert breaker.admit(119) is None
    assert breaker.admit(120) is not None


def test_a_probe_that_leaves_lets_the_next_one_try_at_once():
    breaker, ticket, _ = at(HALF)
    breaker.forgotten(ticket)
    assert breaker.admit(61) is not None


@given(
    st.lists(
        st.tuples(st.sampled_from(["admit", "ok", "bad", "gone"]), st.integers(0, 40)), max_size=80
    )
)
def test_never_two_probes_and_never_a_call_while_open(steps):
    breaker, now, open_until, out, probes = Breaker(LIMITS), 0, 0, [], 0
    for action, pause in steps:
        now += pause
        if action == "admit":
            before, ticket = breaker.state, breaker.admit(now)
            if before is OPEN:
                assert (ticket is not None) == (now >= open_until)
            if before is HALF:
                assert ticket is None
            if ticket is not None:
                out.append(ticket)
                probes = 1 if breaker.state is HALF else probes
        elif out:
            ticket = out.pop()
            if action == "bad" and breaker.failed(ticket, now):
                open_until = now + 60
            elif action == "ok":
                breaker.completed(ticket)
            elif action == "gone":
                breaker.forgotten(ticket)
        assert breaker.state is not CLOSED or breaker.failures < 5
