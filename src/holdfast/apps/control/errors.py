"""Every fault as one shape: a problem of RFC 9457, with the error itself beside it.

`{"type", "title", "status", "detail", "error": {"code", "message", "retryable", …}}`. An unknown
exception becomes `internal_error` without a word of its text; the server's own log has the trace.
Not here: which fault means what (`holdfast.errors`), how the Messages API refuses (`apps/gateway`).
"""

import math

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from holdfast.errors import HoldfastError, InternalError, InvalidRequest, NotFound

PROBLEM_JSON = "application/problem+json"
UNSTORED = {"cache-control": "no-store"}
"""Answers hold tokens and other people's words: no cache on the way may keep them."""


def refusal(error: HoldfastError, *, status: int = 0) -> Response:
    """The response for an error; `status` overrides the error's own."""
    shown = status or error.http_status
    body = {
        "type": f"urn:holdfast:error:{error.code}",
        "title": error.code.replace("_", " "),
        "status": shown,
        "detail": error.message,
        "error": {
            **error.fields,
            "code": error.code,
            "message": error.message,
            "retryable": error.retryable,
        },
    }
    return Response(
        msgspec.json.encode(body, enc_hook=str),
        status_code=shown,
        media_type=PROBLEM_JSON,
        headers=UNSTORED | _retry_after(error),
    )


def unknown() -> Response:
    """The response for an exception that nobody expected."""
    return refusal(InternalError("a fault inside the server; its log says more"))


def install(app: Starlette) -> None:
    """Give the app its answers to exceptions."""
    app.add_exception_handler(HoldfastError, _refused)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unknown)


def _retry_after(error: HoldfastError) -> dict[str, str]:
    wait_s = error.fields.get("retry_after_s")
    if not isinstance(wait_s, int | float):
        return {}
    return {"retry-after": str(max(math.ceil(wait_s), 1))}


async def _refused(_: Request, error: Exception) -> Response:
    return refusal(error) if isinstance(error, HoldfastError) else unknown()


async def _unknown(_: Request, __: Exception) -> Response:
    return unknown()


async def _http(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        return unknown()
    status = error.status_code
    if status == 404:
        return refusal(NotFound("there is nothing at this path"))
    if status == 405:
        response = refusal(InvalidRequest(f"this path takes no {request.method}"), status=405)
        response.headers.update(error.headers or {})
        return response
    if 400 <= status < 500:
        return refusal(InvalidRequest("the request cannot be read"), status=status)
    return unknown()
