"""Requests that were signed instead of carrying their token, and answers that are signed back.

It stands before all routes of the control API. The head is checked before a byte of the body is
read; the body is compared with what was signed as it comes in, and nothing acts before it is whole.
Not here: what the owner of the key may do (each door's own question).
"""

import hashlib
import json

import msgspec
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from holdfast.apps.control.errors import refusal
from holdfast.core import proofs
from holdfast.core.proofs import Signed
from holdfast.core.repeats import HEADER
from holdfast.errors import HoldfastError, InvalidRequest, TooLarge, Unauthenticated
from holdfast.runtime.proofs import Proofs

_PROVEN = "proven_digest"
_MAX_ASKED_BYTES = 4096


def proven(connection: HTTPConnection) -> str:
    """The digest of the token with which the request was signed, in hex; empty for no such one."""
    return proven_in(connection.scope)


def proven_in(scope: Scope) -> str:
    """The same, of a scope."""
    found: str = scope.get("state", {}).get(_PROVEN, "")
    return found


class Proving:
    """ASGI: answers `/v1/proof`, checks signed requests and signs their answers."""

    def __init__(self, app: ASGIApp, known: Proofs) -> None:
        self._app = app
        self._known = known

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # Whatever a request says of itself, nobody has proved anything yet.
        scope.setdefault("state", {}).pop(_PROVEN, None)
        if scope["path"] == proofs.PATH and scope["method"] == "POST":
            await self._prove(scope, receive, send)
            return
        authorization = Headers(scope=scope).get("authorization", "")
        if authorization.partition(" ")[0].lower() != proofs.SCHEME.lower():
            await self._app(scope, receive, send)
            return
        signed = proofs.read_header(authorization)
        try:
            if signed is None:
                raise Unauthenticated("the authorization header is not one that can be read")
            key = self._known.check(signed, scope["method"], _target(scope))
            if not proofs.same(proofs.digest_of(_once(scope)), signed.once):
                raise Unauthenticated(f"`{HEADER}` is not the one that was signed")
        except HoldfastError as error:
            await refusal(error)(scope, receive, send)
            return
        scope["state"][_PROVEN] = key.hex()
        body = _Body(receive, signed.body)
        await self._app(scope, body, _Signing(send, key, signed))

    async def _prove(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            asked = await _asked(receive)
            given = self._known.challenge(asked["key"], asked["nonce"], asked["address"])
        except HoldfastError as error:
            await refusal(error)(scope, receive, send)
            return
        content = msgspec.json.encode(given)
        headers = [
            (b"content-type", b"application/json"),
            (b"cache-control", b"no-store"),
            (b"content-length", str(len(content)).encode()),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})


async def _asked(receive: Receive) -> dict[str, str]:
    """Errors: TooLarge, InvalidRequest."""
    raw, more = b"", True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise InvalidRequest("the client left before its body was here")
        raw += message.get("body", b"")
        more = message.get("more_body", False)
        if len(raw) > _MAX_ASKED_BYTES:
            raise TooLarge(f"the body is larger than {_MAX_ASKED_BYTES} bytes")
    try:
        told = json.loads(raw)
    except (ValueError, RecursionError):
        told = None
    names = {"key", "nonce", "address"}
    if not isinstance(told, dict) or told.keys() != names:
        raise InvalidRequest("a challenge is asked for with `key`, `nonce` and `address`")
    if not all(isinstance(value, str) for value in told.values()):
        raise InvalidRequest("`key`, `nonce` and `address` are texts")
    return told


def _target(scope: Scope) -> str:
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope.get("query_string", b"")
    return (raw + (b"?" + query if query else b"")).decode("latin-1")


def _once(scope: Scope) -> bytes:
    """The key by which the request is known again, as it came; of several, all."""
    return b"\0".join(key.encode("latin-1") for key in Headers(scope=scope).getlist(HEADER))


class _Body:
    """The body as it comes in; one that is not what was signed is refused at its end."""

    def __init__(self, receive: Receive, digest: str) -> None:
        self._receive = receive
        self._digest = digest
        self._hash = hashlib.sha256()
        self._whole = False

    async def __call__(self) -> Message:
        message = await self._receive()
        if message["type"] != "http.request" or self._whole:
            return message
        self._hash.update(message.get("body", b""))
        if not message.get("more_body", False):
            self._whole = True
            if not proofs.same(self._hash.hexdigest(), self._digest):
                raise Unauthenticated("the body is not the one that was signed")
        return message


class _Signing:
    """Holds an answer back until it is whole, and signs it."""

    def __init__(self, send: Send, key: bytes, signed: Signed) -> None:
        self._send = send
        self._key = key
        self._signed = signed
        self._start: Message | None = None
        self._body = bytearray()

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            return
        if message["type"] != "http.response.body" or self._start is None:
            await self._send(message)
            return
        self._body += message.get("body", b"")
        if message.get("more_body", False):
            return
        start, self._start, body = self._start, None, bytes(self._body)
        mac = proofs.answer_mac(self._key, self._signed.mac, start["status"], body)
        headers = [*start["headers"], (proofs.ANSWER_HEADER.encode(), mac.encode())]
        await self._send({**start, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})
