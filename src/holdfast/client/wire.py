"""One HTTP exchange: JSON out, a typed value in, every refusal as its own class.

An operator's or a worker's token never leaves: the server proves that it knows it, and each request
is signed with it (`core/proofs`). A session's own token is sent as it is.

Not here: which paths exist, connections (`transport`).
"""

import asyncio
import secrets
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from holdfast.core import proofs
from holdfast.core.repeats import KEY_MOST, is_key
from holdfast.errors import (
    HoldfastError,
    InternalError,
    InvalidRequest,
    OutcomeUnknown,
    Unauthenticated,
    Unavailable,
    all_errors,
)
from holdfast.model.tokens import (
    HOOK_PREFIX,
    LINK_PREFIX,
    MODEL_PREFIX,
    SESSION_PREFIX,
    SIGN_IN_PREFIX,
)

from .exchange import Asked, Got, Way
from .signing import Signer

TIMEOUT_S = 30.0
# Of what may stand in a path, what is no letter or digit and is left as it is.
_IN_PATH = "/:@!$&'()*+,;=~%"
UNAUTHENTICATED = Unauthenticated.http_status
# Said before anything looked at the request; who lies so gains a delay.
_TRY_AGAIN = (429, 502, 503, 504)
# After so long what was lost is asked for again; a server that was killed is back by then.
_AGAIN_S = (0.2, 3.0)
# Of an outcome that is unknown: nobody broke off, or the server is another one.
_NOT_AGAIN = (None, TimeoutError.__name__)
_SENT_AS_THEY_ARE = (SESSION_PREFIX, MODEL_PREFIX, HOOK_PREFIX, SIGN_IN_PREFIX, LINK_PREFIX)

_BY_CODE = {cls.code: cls for cls in all_errors()}
_OWN_FIELDS = frozenset({"code", "message", "retryable"})
_T = TypeVar("_T")


class Pool:
    """Connections to one server, shared by the handles that came from one `connect`.

    `url` may be set anew, where the server came back at another address. `way` is another way
    there than over the network.
    """

    def __init__(self, url: str, way: Way | None = None) -> None:
        if not url.startswith(("http://", "https://")):
            raise InvalidRequest(f"`{url}` is not the http address of a server")
        self.url = url.rstrip("/")
        self._connections: Way | None = way

    async def send(self, asked: Asked, headers: Mapping[str, str], timeout_s: float) -> Got:
        """One request. Errors: Unavailable; OutcomeUnknown where a POST may have been done."""
        if self._connections is None:
            # It takes longer to load than all else of the client.
            from .transport import Connections  # noqa: PLC0415

            self._connections = Connections()
        return await self._connections.send(self.url, asked, headers, timeout_s)

    async def close(self) -> None:
        """Close the connections; idempotent. The next call opens new ones."""
        if self._connections is not None:
            await self._connections.close()


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
        self,
        path: str,
        kind: type[_T],
        body: Mapping[str, Any] | None,
        timeout_s: float = TIMEOUT_S,
    ) -> _T:
        """Tell. Errors: OutcomeUnknown when the answer was lost after the request had left."""
        return await self._exchange("POST", path, kind, body, {}, timeout_s)

    async def make(self, path: str, kind: type[_T], body: Mapping[str, Any], key: str = "") -> _T:
        """Have something made, once: where the answer was lost, it is asked for again by its key.

        Without a `key` it gets one of its own. Errors: InvalidRequest for a key that is none;
        KeyReused; OutcomeUnknown as for `post`.
        """
        if key and not is_key(key):
            raise InvalidRequest(f"a key is 1 to {KEY_MOST} visible characters of ASCII")
        asked = Asked("POST", _target(path, {}), _spell(body), key or secrets.token_hex(16))
        try:
            got = await self._sent(asked, TIMEOUT_S)
        except OutcomeUnknown as error:
            if error.fields.get("cause") in _NOT_AGAIN:
                raise
            got = await self._sent_again(asked, error)
        return _told(got, kind)

    async def _sent_again(self, asked: Asked, lost: OutcomeUnknown) -> Got:
        """The answer, however late; errors: `lost`, as long as nobody says more."""
        for wait_s in _AGAIN_S:
            await asyncio.sleep(wait_s)
            with suppress(OutcomeUnknown, Unavailable):
                got = await self._sent(asked, TIMEOUT_S)
                if got.status not in _TRY_AGAIN:
                    return got
        raise lost

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
        return _told(
            await self._sent(Asked(method, _target(path, query), content), timeout_s), kind
        )

    async def _sent(self, asked: Asked, timeout_s: float) -> Got:
        if self._signer is not None:
            return await self._signed(self._signer, asked, timeout_s)
        headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
        return await self.pool.send(asked, headers, timeout_s)

    async def _signed(self, signer: Signer, asked: Asked, timeout_s: float) -> Got:
        """One signed exchange; twice where the challenge was too old, which did nothing yet."""
        for last in (False, True):
            if not signer.ready(self.pool.url):
                await self._prove(signer)
            head = signer.sign(asked)
            got = await self.pool.send(asked, {"authorization": proofs.header_of(head)}, timeout_s)
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
        got = await self.pool.send(Asked("POST", proofs.PATH, _spell(asked)), {}, TIMEOUT_S)
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


def _target(path: str, query: Mapping[str, str]) -> str:
    """Path and query as they are written in the request."""
    spelt = quote(path, safe=_IN_PATH)
    return f"{spelt}?{urlencode(query, quote_via=quote)}" if query else spelt


def _spell(body: Mapping[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(body)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InvalidRequest(f"the request cannot be written as json: {error}") from None


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


def _told(got: Got, kind: type[_T]) -> _T:
    """What the answer says. Errors: HoldfastError, as the server refused."""
    if got.status >= 300:
        raise _refusal(got.status, got.body)
    return _typed(got.body, kind)


def _typed(answer: bytes, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(answer or b"{}", type=kind)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise InternalError(f"the server's answer does not fit this client: {error}") from None
