"""How routes answer: in JSON, a refusal as a refusal; most of them for one session.

Not here: the route of Claude Code's own hooks, which answers in that client's words.
"""

import math
from collections.abc import Awaitable, Callable

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from holdfast.apps.control.guard.reading import Intake, Report, Sent, sent, token_of
from holdfast.errors import HoldfastError, InternalError
from holdfast.runtime.live import LiveSession
from holdfast.runtime.sessions import Sessions

Act = Callable[[LiveSession, Sent], Awaitable[object]]
"""What a route does for the session of the token, with the body; empty for a read."""
Endpoint = Callable[[Request], Awaitable[Response]]


def answering(sessions: Sessions, act: Act, intake: Intake) -> Endpoint:
    """An endpoint that does `act` for the session whose token comes with the request."""

    async def for_session(request: Request) -> object:
        live = await sessions.authenticate(token_of(request))
        posted = request.method == "POST"
        body = await sent(request, intake) if posted else Sent(b"")
        try:
            return await act(live, body)
        finally:
            body.close()

    return last_boundary(for_session, intake.report)


def last_boundary(act: Callable[[Request], Awaitable[object]], report: Report) -> Endpoint:
    """An endpoint that answers with what `act` returns; whatever it raises ends here."""

    async def serve(request: Request) -> Response:
        try:
            answer = await act(request)
            return Response(msgspec.json.encode(answer), media_type="application/json")
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception as error:  # noqa: BLE001 -- no traceback leaves the server
            return _refusal(error, report)

    return serve


def _refusal(error: Exception, report: Report) -> Response:
    """The answer to an error; one that is not ours is told to `report` only."""
    if not isinstance(error, HoldfastError):
        report(error)
        error = InternalError("holdfast could not handle the request; see its log")
    fields = {name: str(value) for name, value in error.fields.items()}
    body = fields | {
        "code": error.code,
        "message": error.message,
        "retryable": error.retryable,
    }
    wait_s = error.fields.get("retry_after_s")
    headers = {}
    if isinstance(wait_s, int | float):
        headers["retry-after"] = str(max(math.ceil(wait_s), 1))
    return Response(
        msgspec.json.encode({"error": body}),
        error.http_status,
        headers,
        media_type="application/json",
    )
