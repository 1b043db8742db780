"""What a session did, turn by turn."""

from typing import Literal

import msgspec


class TurnRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One model call or one tool call of a session.

    `turn` 0 is a call whose turn a crash took. `at_ns` is when it was paid for or decided. `input`
    is a tool call's arguments as JSON, or what the user typed before a model call; `output` is a
    tool's result as JSON; both are cut to 2,000 characters. `approved` says that it was allowed to
    run, and `status` of a tool call what a boundary over HTTP answers with: 403 for one that may
    not run, 0 while nothing is decided. `outcome` is the stop reason of a model call, `done` of a
    tool call, else what went wrong. `input_tokens` counts cached ones.
    """

    turn: int
    at_ns: int
    kind: Literal["model", "tool"]
    outcome: str
    approved: bool
    tool: str = ""
    call_id: str = ""
    decision_id: str = ""
    input: str = ""
    output: str = ""
    risk: str = ""
    verdict: str = ""
    status: int = 0
    rule: str = ""
    ms: int = 0
    cost_nusd: int = 0
    model: str = ""
    input_tokens: int = 0
    output_tokens: int = 0


class TurnList(msgspec.Struct, frozen=True):
    """By turn, the model call before its tool calls; `cut_short` when more turns follow."""

    turns: tuple[TurnRecord, ...]
    cut_short: bool = False
    next: str = ""
