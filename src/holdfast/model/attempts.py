"""What an executor learns of one attempt at a tool call.

Not here: what follows from it (`core/effects`).
"""

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
