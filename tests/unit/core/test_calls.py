"""The life of a call: which moves there are, who makes them, and what can never come of one."""

import itertools

import pytest

from holdfast.core.calls import (
    AT_SERVER,
    HALF_WRITTEN,
    MOVES,
    OUTSTANDING,
    PERMITTED,
    UNDECIDED,
    By,
    Move,
    asks_in_vain,
    emitted_state,
    moved,
)
from holdfast.errors import IllegalMove
from holdfast.model.tools import CallRecord
from holdfast.model.tools import CallState as S


def a_call(state=S.EMITTED, **news):
    given = {"session": "ses_1", "call_id": "c1", "tool": "refund", "digest": "sha256:1", **news}
    return CallRecord(state=state, **given)


# One life each, from what the model wrote to its end, as the parts of the house make it.
LIVES = {
    "run by the house's own loop": [
        (Move.ALLOW, By.GUARD, S.ALLOWED),
        (Move.BEGIN, By.EXECUTOR, S.BEGUN),
        (Move.SUCCEED, By.DOOR, S.EXECUTED),
    ],
    "run by a client that redeems nothing": [
        (Move.ALLOW, By.GUARD, S.ALLOWED),
        (Move.FAIL, By.DOOR, S.FAILED),
    ],
    "never reported, its result is the proof": [
        (Move.ALLOW, By.GUARD, S.ALLOWED),
        (Move.SUCCEED, By.GATEWAY, S.EXECUTED),
        (Move.FAIL, By.DOOR, S.FAILED),
        (Move.SUCCEED, By.DOOR, S.EXECUTED),
    ],
    "begun, and its error is the proof": [
        (Move.ALLOW, By.GUARD, S.ALLOWED),
        (Move.BEGIN, By.EXECUTOR, S.BEGUN),
        (Move.FAIL, By.GATEWAY, S.FAILED),
    ],
    "refused": [(Move.DENY, By.GUARD, S.DENIED)],
    "its effect was had before": [(Move.RECALL, By.GUARD, S.EXECUTED)],
    "half-written": [(Move.TEAR, By.GATEWAY, S.TORN), (Move.CLOSE, By.GATEWAY, S.DENIED)],
    "told to have never run": [(Move.CLOSE, By.GATEWAY, S.DENIED)],
    "spent before it began": [
        (Move.ALLOW, By.GUARD, S.ALLOWED),
        (Move.WITHDRAW, By.GUARD, S.DENIED),
    ],
    "tried again": [
        (Move.ALLOW, By.GUARD, S.ALLOWED),
        (Move.BEGIN, By.EXECUTOR, S.BEGUN),
        (Move.RETRY, By.EXECUTOR, S.EMITTED),
        (Move.GIVE_UP, By.EXECUTOR, S.BEGUN),
        (Move.RETRY, By.EXECUTOR, S.EMITTED),
        (Move.ALLOW, By.GUARD, S.ALLOWED),
        (Move.SUCCEED, By.EXECUTOR, S.EXECUTED),
    ],
}


@pytest.mark.parametrize("life", LIVES.values(), ids=LIVES)
def test_a_call_goes_from_what_the_model_wrote_to_its_end(life):
    call = a_call()
    for move, by, expected in life:
        call = moved(call, move, by)
        assert call.state is expected


def test_every_move_that_there_is_belongs_to_a_life():
    told = {(move, by) for life in LIVES.values() for move, by, _ in life}
    assert {(move, by) for move, (makers, _) in MOVES.items() for by in makers} == told
    assert set(MOVES) == set(Move)


def steps():
    """Every state, move and maker, with the state after it or None."""
    for state, move, by in itertools.product(S, Move, By):
        try:
            yield state, move, by, moved(a_call(state), move, by).state
        except IllegalMove:
            yield state, move, by, None


def test_a_move_that_is_not_in_the_table_says_which():
    with pytest.raises(IllegalMove) as refused:
        moved(a_call(S.DENIED), Move.ALLOW, By.GUARD)
    assert refused.value.code == "illegal_move"
    assert refused.value.message == "`allow` by the guard is no move of a call that is denied"
    with pytest.raises(IllegalMove, match="`allow` by the gateway is no move of a call that is em"):
        moved(a_call(), Move.ALLOW, By.GATEWAY)


def test_what_can_never_come_of_a_call():
    made = [(state, move, by, after) for state, move, by, after in steps() if after is not None]
    # Only the guard lets anything run, and only what nobody has decided yet.
    assert {(state, by) for state, _, by, after in made if after is S.ALLOWED} == {
        (S.EMITTED, By.GUARD)
    }
    # A permit is used up once; what was begun and lost stays begun, whatever the policy says.
    assert {(s, m) for s, m, _, after in made if after is S.BEGUN} == {
        (S.ALLOWED, Move.BEGIN),
        (S.EMITTED, Move.GIVE_UP),
    }
    # A no is final, and so is what ran at the provider.
    assert not {state for state, *_ in made} & {S.DENIED, *AT_SERVER}
    # What is half-written never runs.
    assert {after for state, *_, after in made if state is S.TORN} == {S.DENIED}
    # What has an outcome is not tried again, and never was not.
    assert {after for state, *_, after in made if state in {S.EXECUTED, S.FAILED}} == {
        S.EXECUTED,
        S.FAILED,
    }
    # Nobody but the gateway and whoever ran it says that a call ran.
    assert {by for _, _, by, after in made if after is S.FAILED} == {By.GATEWAY, By.DOOR}


def test_a_further_attempt_keeps_nothing_of_the_permit_before():
    begun = a_call(S.BEGUN, permit_id="prm_1", permitted_digest="sha256:2", hold_id="hld_1")
    again = moved(begun, Move.RETRY, By.EXECUTOR)
    assert again == a_call(S.EMITTED)
    assert moved(begun, Move.RETRY, By.EXECUTOR, attempts=2) == a_call(S.EMITTED, attempts=2)


def test_half_written_arguments_have_no_digest_to_match():
    assert moved(a_call(shown=("m",)), Move.TEAR, By.GATEWAY) == a_call(
        S.TORN, digest="", shown=("m",)
    )


def test_a_move_brings_what_else_is_new():
    denied = moved(a_call(), Move.DENY, By.GUARD, denial="no", decision_id="dec_1")
    assert denied == a_call(S.DENIED, denial="no", decision_id="dec_1")


@pytest.mark.parametrize(
    ("at_server", "whole", "expected"),
    [
        (False, True, S.EMITTED),
        (False, False, S.TORN),
        (True, True, S.SERVER),
        (True, False, S.SERVER_TORN),
    ],
)
def test_a_call_begins_as_the_answer_brings_it(at_server, whole, expected):
    assert emitted_state(at_server=at_server, whole=whole) is expected


def test_the_groups_of_states_leave_none_out():
    assert {S.ALLOWED, S.BEGUN, S.EXECUTED, S.FAILED} == PERMITTED
    assert {S.ALLOWED, S.BEGUN} == OUTSTANDING
    assert {S.EMITTED, S.TORN} == UNDECIDED
    assert {S.TORN, S.SERVER_TORN} == HALF_WRITTEN
    assert UNDECIDED | PERMITTED | AT_SERVER | {S.DENIED} == set(S)


NO_ROOM = "budget_exceeded: task tool_calls (life) is capped at 25"


@pytest.mark.parametrize(
    ("seen", "vain"),
    [
        ([], False),
        # All that there were, and no more asked for: what they returned is answered.
        ([(1, S.EXECUTED, "")], False),
        ([(1, S.EXECUTED, ""), (2, S.DENIED, NO_ROOM)], True),
        # Some of one answer ran: the model reads what they returned, and that others did not.
        ([(2, S.DENIED, NO_ROOM), (2, S.EXECUTED, ""), (2, S.DENIED, NO_ROOM)], False),
        ([(2, S.ALLOWED, ""), (2, S.DENIED, NO_ROOM)], False),
        ([(2, S.DENIED, NO_ROOM), (2, S.DENIED, "permission_denied: no")], True),
        ([(2, S.EXECUTED, ""), (2, S.EXECUTED, ""), (3, S.DENIED, NO_ROOM)], True),
        # The cap was raised, and calls ran since, in whatever order they are told.
        ([(3, S.DENIED, NO_ROOM), (4, S.FAILED, "")], False),
        ([(4, S.FAILED, ""), (3, S.DENIED, NO_ROOM)], False),
        ([(1, S.DENIED, "permission_denied: budget_exceeded: no")], False),
        ([(1, S.EMITTED, "")], False),
    ],
)
def test_a_model_that_asks_for_more_than_there_is_asks_in_vain(seen, vain):
    calls = [a_call(state, turn=turn, denial=denial) for turn, state, denial in seen]
    assert asks_in_vain(calls) is vain
