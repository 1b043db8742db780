"""The way to a server that runs in this very process: its application is called, no socket is used.

Not here: which application (`apps/server`), what an answer means (`wire`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import unquote

from holdfast.core.repeats import HEADER
from holdfast.errors import OutcomeUnknown, Unavailable

from .exchange import Asked, Got

_Message = MutableMapping[str, Any]


_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
Application = Callable[[_Message, _Receive, _Send], Awaitable[None]]
"""An ASGI application."""


class InProcess:
    """A `Way` to an ASGI application; concurrent requests do not know of each other."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def send(
        self, url: str, asked: Asked, headers: Mapping[str, str], timeout_s: float
    ) -> Got:
        """One request. Errors: Unavailable; OutcomeUnknown where a POST may have been done."""
        exchange = _Exchange(asked.content or b"")
        try:
            async with asyncio.timeout(timeout_s):
                await self._application(_scope(asked, headers), exchange.receive, exchange.send)
        except TimeoutError:
            cls = OutcomeUnknown if asked.method == "POST" else Unavailable
            raise cls(f"the server at {url} did not answer within {timeout_s:g} s") from None
        return Got(exchange.status, bytes(exchange.body), "")

    async def close(self) -> None:
        """Nothing is held."""


class _Exchange:
    """What one request says and hears."""

    def __init__(self, content: bytes) -> None:
        self._content: bytes | None = content
        self.status = 500
        self.body = bytearray()

    async def receive(self) -> _Message:
        """The whole body at once; after it nothing more comes."""
        content, self._content = self._content, None
        if content is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": content, "more_body": False}

    async def send(self, message: _Message) -> None:
        """Take in a part of the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")


def _scope(asked: Asked, headers: Mapping[str, str]) -> dict[str, Any]:
    path, _, query = asked.target.partition("?")
    given = {"accept": "application/json", **headers}
    if asked.content is not None:
        given["content-type"] = "application/json"
    if asked.key:
        given[HEADER] = asked.key
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": asked.method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode("ascii"),
        "query_string": query.encode("ascii"),
        "root_path": "",
        "headers": [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in given.items()],
        "client": None,
        "server": None,
        "state": {},
    }
