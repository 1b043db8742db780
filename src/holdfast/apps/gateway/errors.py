"""Refusals in the caller's own protocol: the Messages API's error envelope."""

import math
from collections.abc import Mapping

import msgspec

from holdfast.core.failures import told_headers
from holdfast.errors import HoldfastError

_FORBIDDEN = 403
# What Claude Code calls itself. It tells its user of any 403 that they failed to log in.
_CLAUDE_CODE = "claude-cli/"
_OVER = ("session_stopped", "credential_expired")


def status(error: HoldfastError, client: str) -> int:
    """The status of a refusal; `client` is the user agent. Claude Code reads 410 as it is meant."""
    if error.http_status == _FORBIDDEN and client.startswith(_CLAUDE_CODE):
        return 410
    return error.http_status


def envelope(error: HoldfastError, request_id: str, client: str = "") -> bytes:
    """`{"type":"error","error":{"type","message"},"request_id"}`.

    `error.code` and the fields come on top, for callers that read more than the message. Claude
    Code shows its user the message alone, so that says the code and what to do, too.
    """
    message = error.message
    if client.startswith(_CLAUDE_CODE) and error.code in _OVER:
        message = f"{error.code}: {message}; `holdfast sessions open` begins another session"
    body = {
        "type": "error",
        "error": {
            "type": error.wire_type,
            "message": message,
            "code": error.code,
            "fields": {name: _plain(value) for name, value in error.fields.items()},
        },
        "request_id": request_id,
    }
    return msgspec.json.encode(body)


def headers(error: HoldfastError, request_id: str) -> Mapping[str, str]:
    """Clients retry some statuses for minutes; these tell them not to, or when."""
    found = {
        "content-type": "application/json",
        "request-id": request_id,
        "x-should-retry": "true" if error.retryable else "false",
    }
    found |= told_headers(error.fields)
    wait_s = error.fields.get("retry_after_s")
    if isinstance(wait_s, int | float):
        found["retry-after"] = str(max(math.ceil(wait_s), 1))
    return found


def _plain(value: object) -> object:
    return value if isinstance(value, str | int | float | bool | None) else str(value)
