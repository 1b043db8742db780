"""Connections to one server, and one request over them: the part of the client that needs aiohttp.

Connections are opened on first use, once per event loop, and let go of without complaint when they
are dropped. It is loaded with the first request, since a command that asks nobody should not wait
for it. Not here: who is asked, what an answer means (`wire`).
"""

import asyncio
import io
import weakref
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import aiohttp
from yarl import URL

from holdfast.core import proofs
from holdfast.core.repeats import HEADER
from holdfast.errors import HoldfastError, InternalError, OutcomeUnknown, Unavailable

from .exchange import Asked, Got

_CONNECT_TIMEOUT_S = 5.0
_KEEPALIVE_S = 4.0
"""Below the 5 s after which the server drops an idle connection, so that it is not reused then."""
_MAX_ANSWER_BYTES = 64_000_000
_AT_ONCE_BYTES = 512 * 1024


class Connections:
    """Connections to one server, opened on first use, once per event loop."""

    def __init__(self) -> None:
        self._http: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._finalizer: weakref.finalize[..., Any] | None = None

    def _session(self) -> aiohttp.ClientSession:
        """The connections of the running loop."""
        loop = asyncio.get_running_loop()
        if self._http is None or self._http.closed or self._loop is not loop:
            self._drop()
            connector = aiohttp.TCPConnector(keepalive_timeout=_KEEPALIVE_S, limit=0)
            self._http = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
            )
            self._loop = loop
            self._finalizer = weakref.finalize(self, _let_go, self._http)
        return self._http

    def _drop(self) -> None:
        if self._finalizer is not None:
            self._finalizer()
        self._http = self._loop = self._finalizer = None

    async def close(self) -> None:
        """Close the connections; idempotent. The next call opens new ones."""
        http, loop = self._http, self._loop
        if http is not None and loop is asyncio.get_running_loop():
            await http.close()
        self._drop()

    async def send(
        self, url: str, asked: Asked, headers: Mapping[str, str], timeout_s: float
    ) -> Got:
        """One request to the server at `url`.

        Errors: Unavailable; OutcomeUnknown where a POST may have been done.
        """
        given = {"accept": "application/json", **headers}
        if asked.content is not None:
            given["content-type"] = "application/json"
        if asked.key:
            given[HEADER] = asked.key
        limits = aiohttp.ClientTimeout(total=timeout_s, sock_connect=_CONNECT_TIMEOUT_S)
        method = asked.method
        try:
            async with self._session().request(
                method,
                URL(url + asked.target, encoded=True),
                data=_sendable(asked.content),
                headers=given,
                timeout=limits,
                allow_redirects=False,
            ) as response:
                proof = response.headers.get(proofs.ANSWER_HEADER, "")
                return Got(response.status, await _read(response), proof)
        except aiohttp.ClientConnectorCertificateError as error:
            raise Unavailable(
                f"the certificate of {url} is not one that this machine trusts",
                cause=type(error).__name__,
            ) from error
        except (aiohttp.ClientConnectorError, aiohttp.ServerTimeoutError) as error:
            raise _unreachable(url, error) from error
        except (TimeoutError, aiohttp.ClientError) as error:
            raise _lost(url, method, timeout_s, error) from error


def _unreachable(url: str, error: Exception) -> HoldfastError:
    return Unavailable(
        f"no holdfast server answers at {url}; start it with `holdfast up`",
        cause=type(error).__name__,
    )


def _lost(url: str, method: str, timeout_s: float, error: Exception) -> HoldfastError:
    if isinstance(error, TimeoutError):
        text = f"the holdfast server at {url} did not answer within {timeout_s:g} s"
    else:
        text = f"the holdfast server at {url} broke off the answer"
    cls = OutcomeUnknown if method == "POST" else Unavailable
    return cls(text, cause=type(error).__name__)


def _let_go(http: aiohttp.ClientSession) -> None:
    """Close connections that nobody awaits any more, from a finalizer.

    The first step of closing closes every transport; the steps left out only wait for that.
    """
    connector = http.connector
    http.detach()
    if connector is not None:
        with suppress(RuntimeError):
            next(connector.close().__await__(), None)


def _sendable(content: bytes | None) -> bytes | io.BytesIO | None:
    """A large body is sent piece by piece, so that the loop goes on meanwhile."""
    large = content is not None and len(content) > _AT_ONCE_BYTES
    return io.BytesIO(content) if large and content is not None else content


async def _read(response: aiohttp.ClientResponse) -> bytes:
    answer = bytearray()
    async for piece in response.content.iter_any():
        answer += piece
        if len(answer) > _MAX_ANSWER_BYTES:
            raise InternalError("the server's answer is too large to be one of holdfast")
    return bytes(answer)
