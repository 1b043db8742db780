"""Forwarding to a provider with aiohttp: our credential in, the client's out, bytes untouched.

Answers are asked for without compression, so that what passes can be metered as it is. A vendor
that wants to be asked otherwise has a dialect (`ports.llm.Dialect`), and nothing else changes.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Literal

import aiohttp
import msgspec
from multidict import CIMultiDict
from yarl import URL

from holdfast.core.vendors import error_fields
from holdfast.core.wire.admitted import NOTHING, Admitted
from holdfast.core.wire.headers import sent_on
from holdfast.errors import UpstreamUnavailable
from holdfast.ports.llm import Cleared, Dialect, NotOffered, Reader, UpstreamAnswer

_PIECE_BYTES = 128 * 1024
_BROKEN = (aiohttp.ClientError, ConnectionError, TimeoutError, asyncio.IncompleteReadError)


class HttpAnswer:
    """One open answer of the provider."""

    def __init__(self, response: aiohttp.ClientResponse, reader: Reader | None = None) -> None:
        self._response = response
        self._reader = reader
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers if reader is None else reader.headers

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives."""
        reader = self._reader
        try:
            async for chunk in self._response.content.iter_any():
                if reader is None:
                    yield chunk
                elif out := reader.feed(chunk):
                    yield out
            if reader is not None and (rest := reader.end()):
                yield rest
        except _BROKEN as error:
            self.close()
            # aiohttp raises one and the same exception for every answer that is closed while it is
            # read: its traceback would grow with each, and hold on to all of them.
            raise UpstreamUnavailable(_sentence(error)) from error.with_traceback(None)

    async def read(self, limit_bytes: int) -> bytes:
        """The whole body."""
        parts: list[bytes] = []
        size = 0
        async for chunk in self.chunks():
            size += len(chunk)
            if size > limit_bytes:
                self.close()
                raise UpstreamUnavailable("the provider's answer is too large")
            parts.append(chunk)
        return b"".join(parts)

    def close(self) -> None:
        """Close the connection at once, unless the body was read to its end."""
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


class _NotOffered:
    """What stands for an answer where the vendor has no such thing; nothing was sent."""

    def __init__(self, text: str) -> None:
        self.status = 404
        self.headers: Mapping[str, str] = {"content-type": "application/json"}
        self._body = msgspec.json.encode(error_fields("not_found_error", text))

    async def chunks(self) -> AsyncIterator[bytes]:
        """The whole of it."""
        yield self._body

    async def read(self, limit_bytes: int) -> bytes:
        """The whole of it."""
        return self._body

    def close(self) -> None:
        """Nothing is open."""


class HttpUpstream:
    """A provider at `base_url`; `auth` says how it wants the credential, unless `dialect` does.

    `admitted` are the headers that go there beyond the table's.
    """

    def __init__(
        self,
        base_url: str,
        credential: str,
        *,
        auth: Literal["x_api_key", "bearer"] = "x_api_key",
        connect_timeout_s: float = 10.0,
        silence_timeout_s: float = 60.0,
        dialect: Dialect | None = None,
        admitted: Admitted = NOTHING,
    ) -> None:
        self._base = base_url.rstrip("/")
        self._credential = credential
        self._auth = auth
        self._connect_timeout_s = connect_timeout_s
        self._silence_timeout_s = silence_timeout_s
        self._dialect = dialect
        self._admitted = admitted
        self._session: aiohttp.ClientSession | None = None

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30),
                auto_decompress=False,
                read_bufsize=256 * 1024,
                skip_auto_headers=("User-Agent", "Content-Type"),
                # A proxy named by this machine's environment would see every prompt.
                trust_env=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    async def send(
        self, cleared: Cleared, *, timeout_s: float, whole: bool = False
    ) -> UpstreamAnswer:
        """Send one admitted request; returns once headers are here. Errors: UpstreamUnavailable."""
        method, path, dialect = cleared.method, cleared.path, self._dialect
        if dialect is None:
            fields = self._fields(cleared.headers)
            response = await self._exchange(
                method, path, fields, cleared.body, timeout_s, whole=whole
            )
            return HttpAnswer(response)
        # A dialect writes the body anew, whatever its size.
        asked = await dialect.request(method, path, cleared.headers, bytes(cleared.body))
        if isinstance(asked, NotOffered):
            return _NotOffered(asked.text)
        fields = CIMultiDict(asked.headers, **{"accept-encoding": "identity"})
        response = await self._exchange(
            method, asked.target, fields, asked.body, timeout_s, whole=whole
        )
        if response.status != 200:
            dialect.refused(response.status)
        return HttpAnswer(response, dialect.reader(response.status, response.headers))

    def _fields(self, headers: Mapping[str, str]) -> CIMultiDict[str]:
        fields: CIMultiDict[str] = CIMultiDict(
            (name, _as_sent(value)) for name, value in sent_on(headers, self._admitted)
        )
        fields["accept-encoding"] = "identity"
        if self._auth == "bearer":
            fields["authorization"] = f"Bearer {self._credential}"
        else:
            fields["x-api-key"] = self._credential
        return fields

    async def _exchange(
        self,
        method: str,
        path: str,
        fields: CIMultiDict[str],
        body: bytes | memoryview,
        timeout_s: float,
        *,
        whole: bool,
    ) -> aiohttp.ClientResponse:
        sent: bytes | AsyncIterator[bytes] | None
        if isinstance(body, memoryview):
            sent, fields = _pieces(body), CIMultiDict(fields)
            fields["content-length"] = str(len(body))
        else:
            sent = body or None
        # An answer in one piece is silent until it is written; only its turn may bound that.
        silence_s = None if whole else self._silence_timeout_s
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=self._connect_timeout_s, sock_read=silence_s
        )
        turn = asyncio.timeout(timeout_s)
        try:
            async with turn:
                return await self._client().request(
                    method,
                    URL(self._base + path, encoded=True),
                    headers=fields,
                    data=sent,
                    timeout=timeout,
                    allow_redirects=False,
                )
        except (*_BROKEN, ValueError) as error:
            if turn.expired():
                over = "the turn's time was over before the provider answered"
                raise UpstreamUnavailable(over, sent=True, ours=True) from error
            raise UpstreamUnavailable(_sentence(error), sent=_may_have_sent(error)) from error

    async def close(self) -> None:
        """Close idle connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None


async def _pieces(body: memoryview) -> AsyncIterator[bytes]:
    """A large body, so that others get their turn while it is sent."""
    for start in range(0, len(body), _PIECE_BYTES):
        yield bytes(body[start : start + _PIECE_BYTES])


def _as_sent(value: str) -> str:
    """A header as text whose UTF-8 is what the client sent; servers hand it on as Latin-1."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


def _may_have_sent(error: BaseException) -> bool:
    """False only where no byte of the request can have reached the provider."""
    unreached = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, ValueError)
    return not isinstance(error, unreached)


def _sentence(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "the provider did not answer in time"
    if isinstance(error, aiohttp.ClientConnectorError):
        return "the provider cannot be reached"
    return "the provider broke off its answer"
