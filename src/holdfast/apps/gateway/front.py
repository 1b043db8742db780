"""The first thing that a request meets: a paid path goes straight to its door."""

from collections.abc import Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from holdfast.apps.gateway.bodies import ANSWERING, Bodies
from holdfast.apps.gateway.connection import Connection

_CREDENTIALS = frozenset({b"authorization", b"x-api-key"})


class Front:
    """Takes the hot paths past the router, whose layers each wrap every chunk of a stream."""

    def __init__(
        self, direct: Mapping[str, ASGIApp], rest: ASGIApp, bodies: Bodies | None = None
    ) -> None:
        self._direct = direct
        self._rest = rest
        self._bodies = bodies or Bodies()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        app = self._direct.get(scope["path"]) if scope["type"] == "http" else None
        room = self._bodies.room(scope)
        try:
            if app is not None:
                # Its answers are streams: a wrapper would cost each of their chunks.
                scope.setdefault("state", {})[ANSWERING] = room.close
                await app(scope, room.receiving(receive), send)
            else:
                sending = room.sending(_recognising(scope, send))
                await self._rest(scope, room.receiving(receive), sending)
        finally:
            room.close()


def _recognising(scope: Scope, send: Send) -> Send:
    """Keep the connection of whoever showed a credential and was not refused."""
    if scope["type"] != "http" or _CREDENTIALS.isdisjoint(name for name, _ in scope["headers"]):
        return send

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] < 400:
            Connection.of(scope).recognised()
        await send(message)

    return sending
