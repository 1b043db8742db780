"""Refusals in the caller's own protocol: the Messages API's error envelope."""

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
    """Clients retry some statuses for minutes; this header tells them not to."""
    return {
        "content-type": "application/json",
        "request-id": request_id,
        "x-should-retry": "true" if error.retryable else "false",
    }


def _plain(value: object) -> object:
    return value if isinstance(value, str | int | float | bool | None) else str(value)
