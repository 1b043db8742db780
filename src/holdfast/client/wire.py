"""One HTTP exchange: JSON out, a typed value in, every refusal as its own class.

An operator's or a worker's token never leaves: the server proves that it knows it, and each request
is signed with it (`core/proofs`). A session's own token is sent as it is.

A pool belongs to whoever holds it; it opens its connections on first use, once per event loop,
and lets go of them without complaint when it is dropped. Not here: which paths exist.
"""

import asyncio
import io
import weakref
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

import aiohttp
import msgspec
from yarl import URL

from holdfast.core import proofs
from holdfast.errors import (
    HoldfastError,
    InternalError,
    InvalidRequest,
    OutcomeUnknown,
    Unauthenticated,
    Unavailable,
    all_errors,
)
from holdfast.model.tokens import HOOK_PREFIX, MODEL_PREFIX, SESSION_PREFIX

from .signing import Signer

TIMEOUT_S = 30.0
_CONNECT_TIMEOUT_S = 5.0
_KEEPALIVE_S = 4.0
"""Below the 5 s after which the server drops an idle connection, so that it is not reused then."""
_MAX_ANSWER_BYTES = 64_000_000
_AT_ONCE_BYTES = 512 * 1024

UNAUTHENTICATED = Unauthenticated.http_status
# Said before anything looked at the request; who lies so gains a delay.
_TRY_AGAIN = (429, 502, 503, 504)
_SENT_AS_THEY_ARE = (SESSION_PREFIX, MODEL_PREFIX, HOOK_PREFIX)

_BY_CODE = {cls.code: cls for cls in all_errors()}
_OWN_FIELDS = frozenset({"code", "message", "retryable"})
_T = TypeVar("_T")


class _Asked(NamedTuple):
    """One request: `target` is path and query as they are written."""

    method: str
    target: str
    content: bytes | None


class _Got(NamedTuple):
    """One answer, and what came with it to prove whose it is."""

    status: int
    body: bytes
    proof: str


class Pool:
    """Connections to one server, shared by the handles that came from one `connect`."""

    def __init__(self, url: str) -> None:
        if not url.startswith(("http://", "https://")):
            raise InvalidRequest(f"`{url}` is not the http address of a server")
        self.url = url.rstrip("/")
        self._http: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._finalizer: weakref.finalize[..., Any] | None = None

    def http(self) -> aiohttp.ClientSession:
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


def _let_go(http: aiohttp.ClientSession) -> None:
    """Close connections that nobody awaits any more, from a finalizer.

    The first step of closing closes every transport; the steps left out only wait for that.
    """
    connector = http.connector
    http.detach()
    if connector is not None:
        with suppress(RuntimeError):
            next(connector.close().__await__(), None)


class Door:
    """A pool seen with one token.

    `bound` says that a file named the address: then only the server that is there itself will do.
    """

    def __init__(self, pool: Pool, token: str, *, bound: bool = False) -> None:
        self.pool = pool
        self.token = token
        self._signer = Signer(token) if token and not token.startswith(_SENT_AS_THEY_ARE) else None
        self._bound = bound

    async def get(
        self,
        path: str,
        kind: type[_T],
        query: Mapping[str, str | int | None] | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> _T:
        """Ask; parameters that are None or empty are left out."""
        given = {k: str(v) for k, v in (query or {}).items() if v not in (None, "")}
        return await self._exchange("GET", path, kind, None, given, timeout_s)

    async def post(
        self, path: str, kind: type[_T], body: Mapping[str, Any], timeout_s: float = TIMEOUT_S
    ) -> _T:
        """Tell. Errors: OutcomeUnknown when the answer was lost after the request had left."""
        return await self._exchange("POST", path, kind, body, {}, timeout_s)

    async def put(
        self, path: str, kind: type[_T], body: Mapping[str, Any], timeout_s: float = TIMEOUT_S
    ) -> _T:
        """Set; the same call twice leaves what one leaves."""
        return await self._exchange("PUT", path, kind, body, {}, timeout_s)

    async def _exchange(
        self,
        method: str,
        path: str,
        kind: type[_T],
        body: Mapping[str, Any] | None,
        query: Mapping[str, str],
        timeout_s: float,
    ) -> _T:
        content = _spell(body) if body is not None else None
        asked = _Asked(method, URL(f"http://h{path}").update_query(query).raw_path_qs, content)
        if self._signer is None:
            headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
            got = await self._send(asked, headers, timeout_s)
        else:
            got = await self._signed(self._signer, asked, timeout_s)
        if got.status >= 300:
            raise _refusal(got.status, got.body)
        return _typed(got.body, kind)

    async def _signed(self, signer: Signer, asked: _Asked, timeout_s: float) -> _Got:
        """One signed exchange; twice where the challenge was too old, which did nothing yet."""
        for last in (False, True):
            if not signer.ready(self.pool.url):
                await self._prove(signer)
            head = signer.sign(asked.method, asked.target, asked.content or b"")
            got = await self._send(asked, {"authorization": proofs.header_of(head)}, timeout_s)
            if signer.answered(head, got.status, got.body, got.proof):
                return got
            if got.status in _TRY_AGAIN:
                raise _refusal(got.status, got.body)
            if got.status != UNAUTHENTICATED:
                raise self._unproven(asked.method, "its answer is not signed with the token")
            signer.forget()
            if last:
                raise _refusal(got.status, got.body)
        raise self._unproven(asked.method, "it takes no signed request")

    async def _prove(self, signer: Signer) -> None:
        """Errors: Unauthenticated for a server that does not know the token."""
        address = self.pool.url if self._bound else ""
        asked = signer.ask(address)
        got = await self._send(_Asked("POST", proofs.PATH, _spell(asked)), {}, TIMEOUT_S)
        if got.status == UNAUTHENTICATED:
            raise Unauthenticated(
                f"the server at {self.pool.url} does not know the token, or is another one than"
                " was asked for; the token was not sent to it"
            )
        if got.status >= 500:
            raise _refusal(got.status, got.body)
        if got.status >= 300 or not signer.accept(self.pool.url, asked, got.body):
            raise self._unproven("GET", "it cannot prove that it knows the token")

    def _unproven(self, method: str, why: str) -> HoldfastError:
        text = f"what answers at {self.pool.url} is not the server of this token: {why}"
        if method == "POST":
            return OutcomeUnknown(f"{text}; the token was not sent to it")
        return Unauthenticated(f"{text}; the token was not sent to it")

    async def _send(self, asked: _Asked, headers: Mapping[str, str], timeout_s: float) -> _Got:
        given = {"accept": "application/json", **headers}
        if asked.content is not None:
            given["content-type"] = "application/json"
        limits = aiohttp.ClientTimeout(total=timeout_s, sock_connect=_CONNECT_TIMEOUT_S)
        method = asked.method
        try:
            async with self.pool.http().request(
                method,
                URL(self.pool.url + asked.target, encoded=True),
                data=_sendable(asked.content),
                headers=given,
                timeout=limits,
                allow_redirects=False,
            ) as response:
                proof = response.headers.get(proofs.ANSWER_HEADER, "")
                return _Got(response.status, await _read(response), proof)
        except aiohttp.ClientConnectorCertificateError as error:
            raise Unavailable(
                f"the certificate of {self.pool.url} is not one that this machine trusts",
                cause=type(error).__name__,
            ) from error
        except (aiohttp.ClientConnectorError, aiohttp.ServerTimeoutError) as error:
            raise self._unreachable(error) from error
        except (TimeoutError, aiohttp.ClientError) as error:
            raise self._lost(method, timeout_s, error) from error

    def _unreachable(self, error: Exception) -> HoldfastError:
        return Unavailable(
            f"no holdfast server answers at {self.pool.url}; start it with `holdfast up`",
            cause=type(error).__name__,
        )

    def _lost(self, method: str, timeout_s: float, error: Exception) -> HoldfastError:
        if isinstance(error, TimeoutError):
            text = f"the holdfast server at {self.pool.url} did not answer within {timeout_s:g} s"
        else:
            text = f"the holdfast server at {self.pool.url} broke off the answer"
        cls = OutcomeUnknown if method == "POST" else Unavailable
        return cls(text, cause=type(error).__name__)


def _sendable(content: bytes | None) -> bytes | io.BytesIO | None:
    """A large body is sent piece by piece, so that the loop goes on meanwhile."""
    large = content is not None and len(content) > _AT_ONCE_BYTES
    return io.BytesIO(content) if large and content is not None else content


def _spell(body: Mapping[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(body)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InvalidRequest(f"the request cannot be written as json: {error}") from None


async def _read(response: aiohttp.ClientResponse) -> bytes:
    answer = bytearray()
    async for piece in response.content.iter_any():
        answer += piece
        if len(answer) > _MAX_ANSWER_BYTES:
            raise InternalError("the server's answer is too large to be one of holdfast")
    return bytes(answer)


class _Fault(msgspec.Struct):
    error: dict[str, Any]


def _refusal(status: int, answer: bytes) -> HoldfastError:
    """The server's error as the class with its code; InternalError for a code we do not know."""
    try:
        told = msgspec.json.decode(answer, type=_Fault).error
    except msgspec.MsgspecError:
        text = f"the server answered {status} with no error of holdfast in it"
        return Unavailable(text) if status in (502, 503, 504) else InternalError(text)
    code, message = str(told.get("code", "")), str(told.get("message", ""))
    fields = {str(k): v for k, v in told.items() if k not in _OWN_FIELDS}
    cls = _BY_CODE.get(code)
    if cls is None:
        fields["server_code"] = code
        cls = InternalError
    refusal = cls(message or f"the server answered {status}")
    refusal.fields = fields
    return refusal


def _typed(answer: bytes, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(answer or b"{}", type=kind)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise InternalError(f"the server's answer does not fit this client: {error}") from None
