"""Refusals in the caller's own protocol: the Messages API's error envelope."""

import math
from collections.abc import Mapping

import msgspec

from holdfast.errors import HoldfastError


def envelope(error: HoldfastError, request_id: str) -> bytes:
    """`{"type":"error","error":{"type","message"},"request_id"}`.

    `error.code` and the fields come on top, for callers that read more than the message.
    """
    body = {
        "type": "error",
        "error": {
            "type": error.wire_type,
            "message": error.message,
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
    wait_s = error.fields.get("retry_after_s")
    if isinstance(wait_s, int | float):
        found["retry-after"] = str(max(math.ceil(wait_s), 1))
    return found


def _plain(value: object) -> object:
    return value if isinstance(value, str | int | float | bool | None) else str(value)
