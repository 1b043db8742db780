"""Forwarding to a provider over HTTP/1.1: our credential in, the client's out, bytes untouched.

Answers are asked for without compression, so that what passes can be metered as it is. A vendor
that wants to be asked otherwise has a dialect (`ports.llm.Dialect`), and nothing else changes. No
proxy that this machine's environment names is used: it would see every prompt.

Not here: connections (`pool`, `connection`), answers (`answer`, `framing`).
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from holdfast.backends.anthropic.answer import HttpAnswer
from holdfast.backends.anthropic.pool import Pool
from holdfast.core.vendors import error_fields
from holdfast.core.wire.admitted import NOTHING, Admitted
from holdfast.core.wire.headers import sent_on
from holdfast.errors import UpstreamUnavailable
from holdfast.ports.llm import Cleared, Dialect, NotOffered, Take, UpstreamAnswer

Fields = Iterable[tuple[str, str]]

# What frames a request, and what a connection does next, is ours to say.
_OURS = frozenset(
    {"accept-encoding", "connection", "content-length", "expect", "keep-alive", "te", "trailer"}
    | {"transfer-encoding", "upgrade"}
)
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_TARGET = re.compile(r"[!-~]+", re.ASCII)
_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
_SAFE_TWICE = ("GET",)


class _NotOffered:
    """What stands for an answer where the vendor has no such thing; nothing was sent."""

    def __init__(self, text: str) -> None:
        self.status = 404
        self.headers: Mapping[str, str] = {"content-type": "application/json"}
        self._body = msgspec.json.encode(error_fields("not_found_error", text))

    async def chunks(self) -> AsyncIterator[bytes]:
        """The whole of it."""
        yield self._body

    def taking(self, take: Take | None) -> None:
        """It comes by `chunks`."""

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
        self._prefix = urlsplit(base_url).path.rstrip("/")
        self._credential = credential
        self._auth = auth
        self._silence_timeout_s = silence_timeout_s
        self._dialect = dialect
        self._admitted = admitted
        self._pool = Pool(base_url, connect_timeout_s)

    async def send(
        self, cleared: Cleared, *, timeout_s: float, whole: bool = False
    ) -> UpstreamAnswer:
        """Send one admitted request; returns once headers are here. Errors: UpstreamUnavailable."""
        method, path, dialect = cleared.method, cleared.path, self._dialect
        # An answer in one piece is silent until it is written; only its turn may bound that.
        silence_s = None if whole else self._silence_timeout_s
        if dialect is None:
            head = self._head(method, path, self._fields(cleared.headers), len(cleared.body))
            return await self._exchange(method, head, cleared.body, timeout_s, silence_s)
        # A dialect writes the body anew, whatever its size.
        asked = await dialect.request(method, path, cleared.headers, bytes(cleared.body))
        if isinstance(asked, NotOffered):
            return _NotOffered(asked.text)
        head = self._head(method, asked.target, asked.headers.items(), len(asked.body))
        answer = await self._exchange(method, head, asked.body, timeout_s, silence_s)
        if answer.status != 200:
            dialect.refused(answer.status)
        if (reader := dialect.reader(answer.status, answer.headers)) is not None:
            answer.read_by(reader)
        return answer

    def _fields(self, headers: Mapping[str, str]) -> Fields:
        bearer = self._auth == "bearer"
        own = "authorization" if bearer else "x-api-key"
        for name, value in sent_on(headers, self._admitted):
            if name.lower() != own:
                yield name, _as_sent(value)
        yield own, f"Bearer {self._credential}" if bearer else self._credential

    def _head(self, method: str, target: str, fields: Fields, size: int) -> bytes:
        """A request's head. Errors: UpstreamUnavailable for what cannot stand in one."""
        lines = [f"{method} {self._prefix}{target} HTTP/1.1"]
        named = {"host": self._pool.host, "accept": "*/*", "accept-encoding": "identity"}
        for name, value in fields:
            key = name.lower()
            if key in _OURS:
                continue
            if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
                raise UpstreamUnavailable(_UNWRITABLE, sent=False)
            named.pop(key, None)
            lines.append(f"{name}: {value}")
        if not _TARGET.fullmatch(target):
            raise UpstreamUnavailable(_UNWRITABLE, sent=False)
        lines += [f"{name}: {value}" for name, value in named.items()]
        if size or method not in _SAFE_TWICE:
            lines.append(f"content-length: {size}")
        return "\r\n".join([*lines, "\r\n"]).encode("utf-8", "surrogateescape")

    async def _exchange(
        self,
        method: str,
        head: bytes,
        body: bytes | memoryview,
        timeout_s: float,
        silence_s: float | None,
    ) -> HttpAnswer:
        turn = asyncio.timeout(timeout_s)
        try:
            async with turn:
                connection = await self._pool.connection()
                kept = connection.used
                answer = await connection.begin(head, body, silence_s)
                if kept and answer.untouched and method in _SAFE_TWICE:
                    connection = await self._pool.connection(fresh=True)
                    answer = await connection.begin(head, body, silence_s)
        except TimeoutError as error:
            over = "the turn's time was over before the provider answered"
            raise UpstreamUnavailable(over, sent=True, ours=True) from error
        if not answer.status:
            raise UpstreamUnavailable(answer.failed, sent=True)
        return answer

    async def close(self) -> None:
        """Close every connection; idempotent."""
        self._pool.close()


_UNWRITABLE = "the request cannot be written as one"


def _as_sent(value: str) -> str:
    """A header as text whose UTF-8 is what the client sent; servers hand it on as Latin-1."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value
