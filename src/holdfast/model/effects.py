"""The effects ledger's entries: what a call was about to do, and whether it did.

`intended` is on the disk before the tool runs; `done` and `failed` are known; `unknown` is what a
crash or a time-out leaves of an `intended` one, and no attempt is made again by itself unless the
tool's class allows it. Not here: what a state allows (`core/effects`).
"""

import enum
from typing import Any

import msgspec

from holdfast.model.tools import Idempotency


class EffectState(enum.StrEnum):
    """Where an effect stands."""

    INTENDED = "intended"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"


class EffectEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One effect of one task, known by `tenant` and `key`.

    `key` is what the tool is given as its idempotency key. `session` and `call_id` name the call
    that made the last attempt, `attempt` counts from 1. `output` is the tool's result as JSON
    values, kept so that a repeat gets it again; None with `output_kept` False where it was larger
    than what is kept. `error` says what went wrong. `resolved_by` names the person who settled an
    unknown one, empty where none had to. Times are UTC nanoseconds.
    """

    tenant: str
    key: str
    session: str
    call_id: str
    tool: str
    idempotency: Idempotency
    state: EffectState
    intended_at_ns: int
    changed_at_ns: int
    attempt: int = 1
    output: Any = None
    output_kept: bool = True
    error: str = ""
    resolved_by: str = ""
