"""The life of a tool call as a literal table: what each move leads to, and who makes it.

A call that a model emits is decided once, begun at most once for each attempt, and over with an
outcome; a call that a provider runs itself is over as it is seen. `moved` is the only way from one
state to another, so that a move which is not in the table is an error where it is written.

Not here: whether a call may run (`runtime/guard`), what its result may show (`core/evidence`).
"""

import enum
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from holdfast.errors import IllegalMove
from holdfast.model.tools import CallRecord
from holdfast.model.tools import CallState as S


class Move(enum.StrEnum):
    """What may become of a call."""

    TEAR = "tear"
    ALLOW = "allow"
    DENY = "deny"
    RECALL = "recall"
    BEGIN = "begin"
    WITHDRAW = "withdraw"
    SUCCEED = "succeed"
    FAIL = "fail"
    RETRY = "retry"
    GIVE_UP = "give_up"
    CLOSE = "close"


class By(enum.StrEnum):
    """Who makes a move: the part of the house that alone may."""

    GATEWAY = "gateway"
    GUARD = "guard"
    EXECUTOR = "executor"
    DOOR = "door"


MOVES: dict[Move, tuple[frozenset[By], dict[S, S]]] = {
    # The answer broke off behind it, so that it may be half-written.
    Move.TEAR: (frozenset({By.GATEWAY}), {S.EMITTED: S.TORN}),
    Move.ALLOW: (frozenset({By.GUARD}), {S.EMITTED: S.ALLOWED}),
    Move.DENY: (frozenset({By.GUARD}), {S.EMITTED: S.DENIED}),
    # Its effect was had before: the ledger answers, and nothing runs.
    Move.RECALL: (frozenset({By.GUARD}), {S.EMITTED: S.EXECUTED}),
    # Its permit is used up. Doors whose client runs the call itself never say so.
    Move.BEGIN: (frozenset({By.EXECUTOR}), {S.ALLOWED: S.BEGUN}),
    # An account was spent since the permit was made.
    Move.WITHDRAW: (frozenset({By.GUARD}), {S.ALLOWED: S.DENIED}),
    # A result that reached the model is proof that the call ran; a report that comes later, from
    # whoever ran it, knows better whether it failed.
    Move.SUCCEED: (
        frozenset({By.DOOR, By.GATEWAY, By.EXECUTOR}),
        {S.ALLOWED: S.EXECUTED, S.BEGUN: S.EXECUTED, S.EXECUTED: S.EXECUTED, S.FAILED: S.EXECUTED},
    ),
    Move.FAIL: (
        frozenset({By.DOOR, By.GATEWAY}),
        {S.ALLOWED: S.FAILED, S.BEGUN: S.FAILED, S.EXECUTED: S.FAILED, S.FAILED: S.FAILED},
    ),
    # A further attempt at a call without an outcome: it is decided anew.
    Move.RETRY: (frozenset({By.EXECUTOR}), {S.ALLOWED: S.EMITTED, S.BEGUN: S.EMITTED}),
    # That attempt could not be decided: what the one before did is as open as it was.
    Move.GIVE_UP: (frozenset({By.EXECUTOR}), {S.EMITTED: S.BEGUN}),
    # The model is told that it never ran, so that it never may.
    Move.CLOSE: (frozenset({By.GATEWAY}), {S.EMITTED: S.DENIED, S.TORN: S.DENIED}),
}
"""Who makes a move, and where it leads from each state that it is possible from."""

UNDECIDED = frozenset({S.EMITTED, S.TORN})
OUTSTANDING = frozenset({S.ALLOWED, S.BEGUN})
"""Permitted, and nothing is known of an outcome."""
PERMITTED = OUTSTANDING | {S.EXECUTED, S.FAILED}
AT_SERVER = frozenset({S.SERVER, S.SERVER_TORN})
"""Run by the provider: no permit of ours is asked for it."""
HALF_WRITTEN = frozenset({S.TORN, S.SERVER_TORN})

_NO_ROOM = "budget_exceeded: "

# What a permit gave to a call, which goes with it.
_NO_PERMIT: Mapping[str, Any] = {"permit_id": "", "permitted_digest": "", "hold_id": ""}


def emitted_state(*, at_server: bool, whole: bool) -> S:
    """The state in which a call begins, as an answer brings it."""
    if at_server:
        return S.SERVER if whole else S.SERVER_TORN
    return S.EMITTED if whole else S.TORN


def moved(call: CallRecord, move: Move, by: By, **news: Any) -> CallRecord:
    """The call after a move, with what else is new of it.

    Errors: IllegalMove where the table has no such move from its state, or by this part.
    """
    makers, leads = MOVES[move]
    after = leads.get(call.state)
    if after is None or by not in makers:
        raise IllegalMove(f"`{move}` by the {by} is no move of a call that is {call.state}")
    if move is Move.RETRY:
        news = {**_NO_PERMIT, **news}
    if move is Move.TEAR:
        news = {**news, "digest": ""}
    return msgspec.structs.replace(call, state=after, **news)


def asks_in_vain(calls: Iterable[CallRecord]) -> bool:
    """Whether the newest answer that asked for tools got none, and one for want of a budget.

    Until then a model that has used all of its tool calls may read what they returned, and say so.
    """
    newest = 0
    vain = ran = False
    for call in calls:
        if call.turn > newest:
            newest, vain, ran = call.turn, False, False
        if call.turn == newest:
            vain = vain or (call.state is S.DENIED and call.denial.startswith(_NO_ROOM))
            ran = ran or call.state in PERMITTED
    return vain and not ran
