"""Every fault as one shape: `{"error": {"code", "message", "retryable", …}}`.

An unknown exception becomes `internal_error` without a word of its text; the server's own log has
the trace. Not here: which fault means what (`holdfast.errors`).
"""

import re

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from holdfast.compose.config.problems import quoted
from holdfast.errors import HoldfastError, InternalError, InvalidRequest, NotFound

_SHOWN_PROBLEMS = 20


def answer(error: HoldfastError, *, status: int = 0) -> Response:
    """The response for an error; `status` overrides the error's own."""
    body = {
        **error.fields,
        "code": error.code,
        "message": error.message,
        "retryable": error.retryable,
    }
    return Response(
        msgspec.json.encode({"error": body}, enc_hook=str),
        status_code=status or error.http_status,
        media_type="application/json",
        headers={"cache-control": "no-store"},
    )


def install(app: FastAPI) -> None:
    """Give the app its answers to exceptions."""
    app.add_exception_handler(HoldfastError, _refused)
    app.add_exception_handler(RequestValidationError, _misfit)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unknown)


async def _refused(_: Request, error: Exception) -> Response:
    return answer(error if isinstance(error, HoldfastError) else InternalError("a fault inside"))


async def _unknown(_: Request, __: Exception) -> Response:
    return answer(InternalError("a fault inside the server; its log says more"))


async def _misfit(_: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        return answer(InternalError("a fault inside the server; its log says more"))
    problems = [_problem(tuple(e["loc"]), str(e["msg"])) for e in error.errors()[:_SHOWN_PROBLEMS]]
    first = problems[0] if problems else {"field": "body", "text": "it cannot be read"}
    message = f"{quoted(first['field'])}: {first['text']}"
    return answer(InvalidRequest(message, field=first["field"], problems=problems))


def _problem(place: tuple[object, ...], text: str) -> dict[str, str]:
    inner = place[1:] if len(place) > 1 else place
    field = ".".join(quoted(str(part))[1:-1] for part in inner)
    plain = text.removeprefix("Value error, ").rstrip(".")
    return {"field": field, "text": plain[:1].lower() + plain[1:]}


async def _http(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == 404:
        return answer(NotFound("there is nothing at this path"))
    if status == 405:
        response = answer(InvalidRequest(f"this path takes no {request.method}"), status=405)
        response.headers["allow"] = ", ".join(_verbs(request))
        return response
    if 400 <= status < 500:
        return answer(InvalidRequest("the request cannot be read"), status=status)
    return answer(InternalError("a fault inside the server; its log says more"))


def _verbs(request: Request) -> list[str]:
    """What the path does take; the router itself knows only of the first route that it met."""
    app: FastAPI = request.app
    return sorted(
        verb.upper()
        for path, verbs in app.openapi()["paths"].items()
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), request.url.path)
        for verb in verbs
    )
