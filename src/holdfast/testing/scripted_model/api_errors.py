"""Refusals in the shape of the real API: status, type, message, envelope and headers.

Only the shape lives here; who refuses what is decided in `validation`, `threads` and `playback`.
"""

from __future__ import annotations

from typing import Any

import msgspec

ERROR_TYPES: dict[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_MESSAGES: dict[int, str] = {
    400: "Bad request",
    401: "invalid x-api-key",
    402: "Your credit balance is too low to access the Anthropic API.",
    403: "Your API key does not have permission to use the specified resource.",
    404: "Not found",
    413: "Request exceeds the maximum size",
    429: "This request would exceed your organization's rate limit. Please try again later.",
    500: "Internal server error",
    504: "Request timed out",
    529: "Overloaded",
}


class ApiError(Exception):
    """A request the API answers with an error; carries all that is sent."""

    def __init__(
        self,
        status: int,
        message: str | None = None,
        *,
        error_type: str | None = None,
        details: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.status = status
        self.message = message if message is not None else _MESSAGES.get(status, "Unexpected error")
        self.error_type = error_type or ERROR_TYPES.get(status, "api_error")
        self.details = details
        self.headers = headers or {}
        super().__init__(self.message)

    def body(self, request_id: str) -> bytes:
        """The JSON envelope `{"type":"error","error":{...},"request_id":...}`."""
        return envelope(self.error_type, self.message, request_id, self.details)


def envelope(
    error_type: str, message: str, request_id: str, details: dict[str, Any] | None = None
) -> bytes:
    """An error envelope; `details` carries the `error_code` of errors that have one.

    Without it the field is null.
    """
    return msgspec.json.encode(
        {
            "type": "error",
            "error": {"type": error_type, "message": message, "details": details},
            "request_id": request_id,
        }
    )


def invalid(message: str) -> ApiError:
    """A 400 `invalid_request_error`."""
    return ApiError(400, message)
