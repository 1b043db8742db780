"""What an executor learns of one attempt at a tool call, and what it is to do after a lost one.

Not here: what follows from it (`core/effects`).
"""

import enum
from typing import Any, Literal

import msgspec


class ToolResult(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of one attempt.

    `output` is any JSON value. A failed attempt says what is known: `nothing_happened` (the tool
    refused, or was never reached) or `uncertain` (no answer came, or the tool broke half-way); with
    neither, the tool answered that it failed. `retryable`: trying again soon may help. `took_ms` is
    how long it ran, by its caller's clock.
    """

    ok: bool
    output: Any = None
    error_code: str = ""
    error: str = ""
    nothing_happened: bool = False
    uncertain: bool = False
    retryable: bool = False
    took_ms: int = 0


class Probed(msgspec.Struct, frozen=True, kw_only=True):
    """What a tool says of an earlier attempt under the same key."""

    found: Literal["happened", "nothing_happened", "cannot_tell"]
    output: Any = None


class Next(enum.StrEnum):
    """What the executor is to do about a call that was allowed and lost its answer."""

    EXECUTE = "execute"
    PROBE = "probe"
    ANSWERED = "answered"
    PARKED = "parked"
    DENIED = "denied"
    ASKED = "asked"
