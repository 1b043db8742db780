"""Whom a stop covers, and what stops make of a session's state and clock."""

import shlex

import msgspec
import pytest

from holdfast.core.sessions import Command, after
from holdfast.core.stops import command, covering, covers, held, told
from holdfast.model.principals import Principal, TrustLevel
from holdfast.model.sessions import SessionState
from holdfast.model.stops import Reach, StopKind
from holdfast.testing.conformance.store import a_session
from holdfast.testing.conformance.store_stops import a_stop

S = 1_000_000_000
ODD = "<'&\">"


def who(tenant="acme", project="desk", user="ann", agent="bot"):
    return Principal(
        tenant=tenant,
        project=project,
        user=user,
        agent=agent,
        session="ses",
        task="",
        trust=TrustLevel.SUPERVISED,
    )


@pytest.mark.parametrize(
    "reach",
    [
        Reach(),
        Reach(tenant="acme"),
        Reach(tenant="acme", project="desk"),
        Reach(tenant="acme", user="ann"),
        Reach(agent="bot"),
        Reach(tenant="acme", project="desk", user="ann", agent="bot"),
    ],
)
def test_whoever_all_of_it_is_true_of_is_within_reach(reach):
    assert covers(reach, who())


@pytest.mark.parametrize(
    ("reach", "other"),
    [
        (Reach(tenant="acme"), who(tenant="acme2")),
        (Reach(tenant="acme2"), who(tenant="acme")),
        (Reach(tenant="acme", project="desk"), who(project="desk-2")),
        (Reach(tenant="acme", project="desk"), who(tenant="b")),
        (Reach(tenant="acme", user="ann"), who(user="anna")),
        (Reach(tenant="acme", user="anna"), who(user="ann")),
        (Reach(tenant="acme", user="ann"), who(tenant="b")),
        (Reach(tenant="acme", user="ann"), who(user="Ann")),
        (Reach(tenant="acme", user="ann"), who(user="", agent="ann")),
        (Reach(agent="bot"), who(agent="bot2")),
        (Reach(agent="bot", tenant="b"), who()),
        (Reach(agent="bot", user="bob"), who()),
        (Reach(project="acme"), who(tenant="acme")),
    ],
)
def test_whoever_differs_in_one_name_is_out_of_reach(reach, other):
    assert not covers(reach, other)
    assert covering([a_stop(reach=reach)], other) == ()


@pytest.mark.parametrize(
    ("reach", "words", "typed"),
    [
        (Reach(), "everything", "--all"),
        (Reach(tenant="acme"), "tenant acme", "--tenant acme"),
        (Reach(tenant="a", project="p"), "project a/p", "--tenant a --project-name p"),
        (Reach(tenant="a", user="u"), "user u in a", "--tenant a --user u"),
        (Reach(agent="bot"), "agent bot", "--agent bot"),
        (
            Reach(tenant="a", project="p", user="u", agent="bot"),
            "user u and agent bot in a/p",
            "--tenant a --project-name p --user u --agent bot",
        ),
    ],
)
def test_a_reach_is_said_in_words_and_as_it_is_typed(reach, words, typed):
    assert str(reach) == words
    assert command("resume", reach) == f"holdfast sessions resume {typed}"


def test_odd_names_are_typed_so_that_a_shell_reads_them_back():
    line = command("kill", Reach(tenant="a", user=ODD))
    assert shlex.split(line)[-1] == ODD


def test_a_stop_is_told_by_what_it_did_by_whom_and_why():
    assert told(a_stop()) == "project acme/desk is paused by ann: looking into it"
    killed = a_stop(kind=StopKind.KILL, reason="", reach=Reach())
    assert told(killed) == "everything is killed by ann"


def test_the_clock_stands_still_from_the_first_stop_until_there_is_none():
    session = a_session(opened_at_ns=1, expires_at_ns=100)
    both = [a_stop(at_ns=30), a_stop(at_ns=10, reach=Reach())]
    waits = held(session, both, 40)
    assert (waits.state, waits.by_stop) == (SessionState.PAUSED, True)
    assert (waits.life_left_ns, waits.state_changed_at_ns) == (90, 10)
    assert held(waits, both[:1], 50) is waits
    goes_on = held(waits, [], 1_000)
    assert (goes_on.state, goes_on.by_stop) == (SessionState.ACTIVE, False)
    assert (goes_on.expires_at_ns, goes_on.life_left_ns) == (1_090, 0)


def test_a_stop_holds_from_when_the_session_was_last_let_go_or_opened_at_the_earliest():
    session = a_session(opened_at_ns=20, expires_at_ns=100)
    assert held(session, [a_stop(at_ns=10)], 40).life_left_ns == 80
    again = msgspec.structs.replace(session, state_changed_at_ns=60)
    assert held(again, [a_stop(at_ns=10)], 70).life_left_ns == 40


def test_what_was_over_before_the_stop_came_is_not_given_time():
    session = a_session(opened_at_ns=1, expires_at_ns=10)
    assert held(session, [a_stop(at_ns=10)], 40) is session


@pytest.mark.parametrize("state", [s for s in SessionState if s is not SessionState.ACTIVE])
def test_what_is_paused_by_itself_or_over_stays_as_it_is(state):
    session = a_session(state=state, opened_at_ns=1, expires_at_ns=100)
    assert held(session, [a_stop()], 40) is session
    assert held(session, [], 40) is session


def test_what_only_a_stop_pauses_can_be_paused_by_itself_and_not_resumed():
    waits = held(a_session(opened_at_ns=1, expires_at_ns=100), [a_stop(at_ns=5)], 40)
    assert after(waits, Command.PAUSE) is SessionState.PAUSED
    assert after(waits, Command.RESUME) is None
    for ends in (Command.STOP, Command.KILL, Command.EXPIRE, Command.END):
        assert after(waits, ends) not in (None, SessionState.PAUSED)
