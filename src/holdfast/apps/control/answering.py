"""How routes answer: in JSON, a refusal as a refusal; most of them for one session.

Not here: the route of Claude Code's own hooks, which answers in that client's words.
"""

from collections.abc import Awaitable, Callable

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from holdfast.apps.control.errors import UNSTORED, refusal, unknown
from holdfast.apps.control.reading import Intake, Report, Sent, bearer, sent
from holdfast.errors import HoldfastError
from holdfast.runtime.live import LiveSession
from holdfast.runtime.sessions import Sessions

Act = Callable[[LiveSession, Sent], Awaitable[object]]
"""What a route does for the session of the token, with the body; empty for a read."""
Endpoint = Callable[[Request], Awaitable[Response]]


def shown(answer: object) -> Response:
    """A success: what an operation answers with, as JSON."""
    return Response(msgspec.json.encode(answer), media_type="application/json", headers=UNSTORED)


def answering(sessions: Sessions, act: Act, intake: Intake) -> Endpoint:
    """An endpoint that does `act` for the session whose token comes with the request."""

    async def for_session(request: Request) -> object:
        live = await sessions.authenticate(bearer(request.headers))
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
            return shown(answer)
        except ClientDisconnect:
            return Response(status_code=400)
        except HoldfastError as error:
            return refusal(error)
        except Exception as error:  # noqa: BLE001 -- no traceback leaves the server
            report(error)
            return unknown()

    return serve
