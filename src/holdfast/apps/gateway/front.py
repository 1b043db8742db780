"""The first thing that a request meets: a paid path goes straight to its door."""

from collections.abc import Mapping

from starlette.types import ASGIApp, Receive, Scope, Send


class Front:
    """Takes the hot paths past the router, whose layers each wrap every chunk of a stream."""

    def __init__(self, direct: Mapping[str, ASGIApp], rest: ASGIApp) -> None:
        self._direct = direct
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        app = self._direct.get(scope["path"]) if scope["type"] == "http" else None
        await (app or self._rest)(scope, receive, send)
