"""The console's place on the server's port: it is loaded when somebody first comes to it.

Not here: its pages (`apps/console`).
"""

import asyncio

from starlette.responses import RedirectResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

PLACE = "/console"


class ConsoleOnDemand:
    """ASGI: the console over `control`, served at `url` and, where it is given, at `public_url`."""

    def __init__(self, control: ASGIApp, url: str, public_url: str) -> None:
        self._control = control
        self._url = url
        self._public_url = public_url
        self._made: ASGIApp | None = None
        self._over = asyncio.Event()

    def routes(self) -> list[BaseRoute]:
        """Its own place, and the way there without a stroke at the end."""
        home = RedirectResponse(f"{PLACE}/fleet", 303)
        return [Route(PLACE, home, methods=["GET"]), Mount(PLACE, self)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if self._made is None:
            # It takes a tenth of a second, in which answers stream on.
            await asyncio.to_thread(_load)
            from holdfast.apps.console.app import create_console  # noqa: PLC0415 -- few come here

            self._made = create_console(
                self._control, url=self._url, public_url=self._public_url, over=self._over
            )
        await self._made(scope, receive, send)

    def close(self) -> None:
        """End what streams to browsers; idempotent."""
        self._over.set()


def _load() -> None:
    import holdfast.apps.console.app  # noqa: F401, PLC0415 -- few come here
