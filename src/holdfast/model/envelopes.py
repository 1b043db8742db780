"""The one response envelope of every tool call, for success and for failure.

Not here: its JSON Schema and its check (`core/envelopes`).
"""

from typing import Any

import msgspec


class EnvelopeError(msgspec.Struct, frozen=True, kw_only=True):
    """Why a call failed: a stable `code`, one sentence, whether the same call may be retried."""

    code: str
    message: str
    retryable: bool = False


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one call.

    Every field stands on the wire each time. `ok` says which half holds: `output` (any JSON) with
    `error` null, or `error` with `output` null.
    """

    ok: bool
    tool: str
    call_id: str
    output: Any = None
    error: EnvelopeError | None = None
    duration_ms: int = 0
