"""One key of a provider: every report against what it changes, for whom, and for how long."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

from typing import Any

import pytest

from holdfast.core.breaker import BreakerLimits, BreakerState
from holdfast.runtime import doors
from holdfast.runtime.doors import Asker, Changed, Door, Ticket

ABOUT = pytest.mark.parametrize("module", ["holdfast.runtime.doors"])
UPSTREAM: Any = object()
CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN


def door(failures=3) -> Door:
    return Door("key 1", UPSTREAM, BreakerLimits(failures=failures, reset_ns=60))


def asker(session) -> Asker:
    """`ann2` is the second session of ann."""
    return Asker(session, session.rstrip("0123456789"))


def ticket(one, session, now=0) -> Ticket:
    found = one.admit(now, asker(session))
    assert found is not None
    return found


def fails(one, *sessions, now=0) -> list[Changed]:
    return [changed for name in sessions for changed in one.failed(ticket(one, name, now), now)]


def who_may(one, now, *sessions) -> str:
    return " ".join(name for name in sessions if one.admits(now, asker(name)))


@ABOUT
def test_door_without_limits_never_closes_and_tells_nothing(module):
    assert module == doors.__name__
    one = Door("key 1", UPSTREAM, None)
    assert (one.name, one.upstream) == ("key 1", UPSTREAM)
    for number in range(12):
        mine = ticket(one, f"ann{number}")
        assert mine == Ticket(asker(f"ann{number}"), 0, 0)
        assert one.failed(mine, 0) == one.answered(mine) == one.completed(mine) == []
        one.forgotten(mine)
        assert one.failed(ticket(one, f"bob{number}"), 0) == []
    assert (one.state, one.failures, one.wait_ns(0)) == (CLOSED, 0, 0)
    assert one.admits(0, Asker()) is True
    assert len(one._own) == 2


@ABOUT
def test_failures_of_one_user_close_it_for_that_user_alone(module):
    assert module == doors.__name__
    one = door()
    assert fails(one, "ann1", "ann2") == []
    assert (one.failures, one.state) == (2, CLOSED)
    assert fails(one, "ann3") == [Changed(3, "ann")]
    assert (one.failures, one.state) == (3, OPEN)
    assert who_may(one, 59, "ann1", "bob1") == "bob1"
    assert one.admit(59, asker("ann1")) is None
    assert [one.wait_ns(now) for now in (0, 20, 60, 99)] == [60, 40, 0, 0]
    assert [one.wait_ns(20, asker(name)) for name in ("ann9", "bob1")] == [40, 0]
    # Somebody else asks: alike for all it is no more, and the first of them may come at once.
    ticket(one, "bob1")
    assert (one.state, one.wait_ns(20), one.failures) == (CLOSED, 0, 3)
    assert one.wait_ns(20, asker("ann1")) == 40
    # One of hers tries, and closes it by an answer, or by a whole one.
    for report in (one.answered, one.completed):
        trying = ticket(one, "ann1", 60)
        assert trying == Ticket(asker("ann1"), 0, trying.own)
        assert who_may(one, 60, "ann2", "bob1") == "bob1"
        assert report(trying) == [Changed(0, "ann")]
        assert who_may(one, 60, "ann2", "bob1") == "ann2 bob1"
        assert report(trying) == []
        assert fails(one, "ann1", "ann2", "ann3") == [Changed(3, "ann")]
    # What she tried in vain rests as long again; what nobody saw through lets the next one try.
    assert fails(one, "ann4", now=60) == [Changed(4, "ann")]
    assert who_may(one, 119, "ann1") == ""
    one.forgotten(ticket(one, "ann1", 120))
    assert who_may(one, 120, "ann1") == "ann1"


@ABOUT
def test_distinct_sessions_of_two_users_close_it_for_everybody(module):
    assert module == doors.__name__
    for sessions in (("ann1", "ann2", "bob1"), ("ann1", "bob1", "cid1"), ("ann1", "bob1", "bob2")):
        one = door()
        assert fails(one, *sessions[:2]) == []
        assert one.failures == 2
        assert fails(one, sessions[2]) == [Changed(3)]
        assert (one.state, one.failures) == (OPEN, 3)
        assert who_may(one, 59, "ann1", "bob1", "cid1", "eve1") == ""
        assert (one.wait_ns(20), one.wait_ns(20, asker("eve1"))) == (40, 40)
    # A session that was heard counts no more, and who is alone stops one short.
    one = door()
    assert fails(one, "ann1", "bob1", "ann1", "bob1") == []
    assert (one._shared.failures, who_may(one, 0, "eve1")) == (2, "eve1")
    one = door(2)
    assert fails(one, "ann1", "ann1") == [Changed(2, "ann")]
    assert one._shared.failures == 1
    assert fails(one, "bob1") == [Changed(2)]
    # Both at once are told as one.
    one = door(1)
    assert fails(one, "ann1") == [Changed(1, "ann")]
    assert fails(one, "bob1") == [Changed(1)]


@ABOUT
def test_whole_answer_of_anybody_makes_all_count_anew_and_the_beginning_of_one_does_not(module):
    assert module == doors.__name__
    one = door()
    fails(one, "ann1", "bob1")
    assert one.answered(ticket(one, "eve1")) == []
    assert one._shared.failures == 2
    assert one._witnesses == {"ann1": "ann", "bob1": "bob"}
    assert one.completed(ticket(one, "eve1")) == []
    assert (one._shared.failures, one.failures, one._witnesses) == (0, 1, {})
    assert fails(one, "ann1", "bob1", "ann1") == [Changed(3, "ann")]
    assert one._shared.failures == 2
    # That she may again takes back nothing of what everybody saw; that all may, does.
    assert one.answered(ticket(one, "ann1", 60)) == [Changed(0, "ann")]
    assert one._witnesses == {"ann1": "ann", "bob1": "bob"}
    assert fails(one, "cid1") == [Changed(3)]
    trying = ticket(one, "eve1", 60)
    assert one.answered(trying) == [Changed(0)]
    assert (one._witnesses, one.state) == ({}, CLOSED)
    assert one.answered(trying) == []


@ABOUT
def test_one_tries_when_its_rest_is_over_and_nobody_keeps_it_closed_alone(module):
    assert module == doors.__name__
    one = door(2)
    assert fails(one, "ann1", "bob1") == [Changed(2)]
    trying = ticket(one, "eve1", 60)
    assert (one.state, who_may(one, 60, "ann1", "eve1"), one.wait_ns(60)) == (HALF_OPEN, "", 0)
    assert one.failed(trying, 60) == [Changed(3)]
    assert (one.state, who_may(one, 119, "ann1")) == (OPEN, "")
    # Who failed last fails again: somebody else may try at once, and not only when the rest is over.
    again = ticket(one, "eve2", 120)
    assert one.failed(again, 120) == [Changed(2, "eve")]
    assert (one.state, one._shared.failures, who_may(one, 120, "ann1")) == (OPEN, 3, "ann1")
    # One that nobody saw through lets the next one try, too.
    one.forgotten(ticket(one, "ann1", 120))
    assert who_may(one, 120, "ann1") == "ann1"
    assert one.completed(ticket(one, "ann1", 120)) == [Changed(0)]
    assert (one.state, one._last_probe) == (CLOSED, "")
    # What was sent before it closed, or opened, changes nothing.
    for late in (trying, again):
        assert one.failed(late, 121) == one.answered(late) == []
    assert one._shared.state is CLOSED
    # Now that it was open, the same user counts as whoever tries.
    one = door(2)
    fails(one, "ann1", "bob1")
    fails(one, "eve1", now=60)
    assert one.answered(ticket(one, "eve3", 120)) == [Changed(0)]
    fails(one, "ann1", "bob1", now=130)
    assert one.failed(ticket(one, "eve4", 190), 190) == [Changed(3)]


@ABOUT
def test_thousand_users_are_remembered_and_the_one_unheard_longest_is_forgotten(module):
    assert module == doors.__name__
    one = door(2)
    fails(one, "ann1")
    for number in range(998):
        ticket(one, f"u{number}x")
    assert len(one._own) == 999
    ticket(one, "bob1")
    assert len(one._own) == 1_000
    ticket(one, "ann1")  # Asked for again, so that u0x is the oldest.
    ticket(one, "cid1")
    assert len(one._own) == 1_000
    assert "ann" in one._own
    assert "u0x" not in one._own
    assert "u1x" in one._own
    assert one._own["ann"].failures == 1
    # And so many sessions that saw it fail.
    one = Door("k", UPSTREAM, BreakerLimits(failures=5_000))
    fails(one, *(f"ann{number}" for number in range(1_001)))
    assert len(one._witnesses) == 1_000
    assert one._shared.failures == 1_001
