"""Who closes a key of a provider, for whom, and until when: each rule, seen from outside."""

from holdfast.core.breaker import BreakerLimits, BreakerState
from holdfast.runtime.doors import Asker, Door
from tests.unit.runtime.test_opening import UPSTREAM, door, fail

EVE = Asker("e1", "eve")


def ok(one, session, user, now=0):
    ticket = one.admit(now, Asker(session, user))
    assert ticket is not None
    return one.completed(ticket)


def test_the_same_session_is_one_witness_whatever_others_saw_between():
    one = door(failures=3)
    for session, user in (("s1", "ann"), ("t1", "bob"), ("s1", "ann"), ("t1", "bob")):
        fail(one, session, user)
    assert one.admits(0, EVE)
    fail(one, "u1", "cid")
    assert not one.admits(0, EVE)


def test_a_user_with_many_sessions_needs_one_more_user_and_then_only_the_last_failure():
    one = door(failures=3)
    for session in ("s1", "s2"):
        fail(one, session, "ann")
    assert one.state is BreakerState.CLOSED
    [changed] = fail(one, "t1", "bob")
    assert (changed.user, changed.failures) == ("", 3)


def test_who_is_alone_stops_one_short_however_often():
    one = door(failures=3)
    for number in range(2):
        fail(one, f"s{number}", "ann")
    assert one.failures == 2
    [changed] = fail(one, "s2", "ann")
    assert changed.user == "ann"
    # Nobody else has seen anything: the next failure of another closes it, the first of hers not.
    assert one.admits(0, EVE)
    assert not one.admits(0, Asker("s9", "ann"))


def test_a_whole_answer_forgets_who_had_seen_failures():
    one = door(failures=3)
    fail(one, "s1", "ann")
    fail(one, "t1", "bob")
    ok(one, "e1", "eve")
    # Both count anew, as if for the first time, and so does each session.
    fail(one, "s1", "ann")
    fail(one, "t1", "bob")
    assert one.admits(0, EVE)
    fail(one, "u1", "cid")
    assert not one.admits(0, EVE)


def test_after_it_closed_the_same_sessions_count_again_once_it_opens():
    one = door(failures=2)
    fail(one, "s1", "ann")
    fail(one, "t1", "bob")
    assert not one.admits(59, EVE)
    ticket = one.admit(60, EVE)
    assert ticket is not None
    assert [c.user for c in one.answered(ticket)] == [""]
    fail(one, "s1", "ann", 60)
    fail(one, "t1", "bob", 60)
    assert not one.admits(60, EVE)


def test_who_failed_late_while_it_was_closed_counts_again_once_it_opens():
    one = door(failures=2)
    late = one.admit(0, Asker("u1", "cid"))
    assert late is not None
    fail(one, "s1", "ann")
    fail(one, "t1", "bob")
    one.failed(late, 10)
    ticket = one.admit(60, EVE)
    assert ticket is not None
    one.answered(ticket)
    fail(one, "u1", "cid", 60)
    fail(one, "t1", "bob", 60)
    assert not one.admits(60, EVE)


def test_what_one_user_alone_rested_from_lets_none_of_their_sessions_count_twice():
    one = door(failures=4)
    fail(one, "t1", "bob")
    for _ in range(4):
        fail(one, "s1", "ann")
    ticket = one.admit(60, Asker("s1", "ann"))
    assert ticket is not None
    assert [c.user for c in one.answered(ticket)] == ["ann"]
    # Both were counted before, so these are no news; two more sessions are.
    for session, user in (("s1", "ann"), ("t1", "bob"), ("u1", "cid")):
        fail(one, session, user, 60)
        assert one.admits(60, EVE)
    fail(one, "v1", "dan", 60)
    assert not one.admits(60, EVE)


def test_closing_for_everybody_is_told_once_and_of_nobody():
    one = door(failures=3)
    fail(one, "s1", "ann")
    for session in ("t1", "t1"):
        assert fail(one, session, "bob") == []
    # His third in a row closes it for him, and is the third of distinct sessions.
    assert [c.user for c in fail(one, "t2", "bob")] == [""]


def test_each_user_s_own_rest_is_their_own():
    one = door(failures=2)
    fail(one, "s1", "ann")
    fail(one, "s2", "ann")
    assert not one.admits(0, Asker("s3", "ann"))
    assert one.admits(0, EVE)
    assert one.wait_ns(0, Asker("s3", "ann")) == 60
    assert one.wait_ns(0, EVE) == 0
    ok(one, "e1", "eve")
    assert one.wait_ns(0) == 0  # Whoever comes first may.
    assert one.state is BreakerState.CLOSED
    assert one.failures == 2


def test_where_all_that_asked_are_alike_the_state_is_theirs():
    one = door(failures=2)
    fail(one, "s1", "ann")
    fail(one, "s2", "ann")
    assert one.state is BreakerState.OPEN
    assert one.wait_ns(20) == 40


def test_a_try_that_was_forgotten_lets_the_next_one_try_shared_and_own():
    one = door(failures=2)
    fail(one, "s1", "ann")
    fail(one, "s2", "ann")
    ticket = one.admit(60, Asker("s3", "ann"))
    assert ticket is not None
    assert one.admit(60, Asker("s4", "ann")) is None
    one.forgotten(ticket)
    assert one.admit(60, Asker("s4", "ann")) is not None


def test_a_second_vain_try_of_one_user_frees_the_place_and_a_third_user_may_try_at_once():
    one = door(failures=2)
    fail(one, "s1", "ann")
    fail(one, "t1", "bob")
    fail(one, "b1", "bad", 60)
    assert not one.admits(119, EVE)
    fail(one, "b2", "bad", 120)
    assert one.admits(120, EVE)
    ticket = one.admit(120, EVE)
    assert ticket is not None
    one.completed(ticket)
    # It closed well: who tried last is forgotten, and a vain try of theirs counts again.
    for session, user in (("s1", "ann"), ("t1", "bob")):
        fail(one, session, user, 120)
    assert not one.admits(179, EVE)
    fail(one, "b3", "bad", 180)
    assert not one.admits(180, EVE)
    assert not one.admits(239, EVE)


def test_users_that_asked_lately_are_those_that_are_remembered():
    one = Door("key 1", UPSTREAM, BreakerLimits(failures=1, reset_ns=10**12))  # type: ignore[arg-type]
    one._shared.failed = lambda *_: False  # type: ignore[method-assign]
    fail(one, "s", "ann")
    for number in range(1_500):
        one.admit(number, Asker(f"s{number}", f"u{number}"))
        # She asks all the while, in vain.
        one._of("ann")
    assert not one.admits(0, Asker("s", "ann"))
    assert len(one._own) <= 1_000


def test_without_limits_it_never_closes():
    one = Door("key 1", UPSTREAM, None)  # type: ignore[arg-type]
    for number in range(50):
        assert fail(one, f"s{number}", f"u{number}") == []
    assert one.admits(0, EVE)
