"""Requests that are made at every tool call go past the router: its layers cost more than they do.

What such a route answers, a refusal too, is all its own (`answering`); everything else that comes
to its path, and every other path, is the router's.
"""

from collections.abc import Iterable

from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send


class Shortcut:
    """ASGI: the `POST` routes among `routes`, and `rest` for all else."""

    def __init__(self, routes: Iterable[Route], rest: ASGIApp) -> None:
        self._posts = {one.path: one.endpoint for one in routes if one.methods == {"POST"}}
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["method"] == "POST":
            endpoint = self._posts.get(scope["path"])
            if endpoint is not None:
                response = await endpoint(Request(scope, receive))
                await response(scope, receive, send)
                return
        await self._rest(scope, receive, send)
