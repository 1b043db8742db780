"""Who is at the door: the admin, an operator by name, or an agent with its session's token.

One gate before all routes, closed unless it knows the path: a route that someone adds is the
operator's until this file says otherwise. Bodies are read here, after the token was checked, with
a bound and with one reading only. Not here: what either may do.
"""

import hashlib
import hmac

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.errors import answer
from holdfast.apps.control.operator_file import ADMIN
from holdfast.apps.control.proving import proven_in
from holdfast.core.canonical import Unreadable, parse_json
from holdfast.errors import Denied, HoldfastError, InvalidRequest, TooLarge, Unauthenticated
from holdfast.model import tokens
from holdfast.model.events import Kind
from holdfast.model.sessions import Session
from holdfast.runtime.live import LiveSession
from holdfast.runtime.sessions import token_digest

PUBLIC_PATHS = frozenset({"/healthz", "/openapi.json"})
SESSION_PATHS = "/v1/guard/"
ADMIN_BODY_BYTES = 1024 * 1024
_MAX_TOKEN_CHARACTERS = 512
_NO_SESSION = "an operator's token acts for no session; use the session's own token"


def bearer(headers: Headers) -> str:
    """The token of a request: `Authorization: Bearer …`, or `x-api-key`.

    Errors: Unauthenticated when there is none.
    """
    authorization = headers.get("authorization", "")
    scheme, _, token = authorization.partition(" ")
    if authorization and scheme.lower() != "bearer":
        raise Unauthenticated("the authorization header is not `Bearer <token>`")
    found = (token if authorization else headers.get("x-api-key", "")).strip()
    if not found:
        raise Unauthenticated("a token is needed: `Authorization: Bearer <token>`")
    if len(found) > _MAX_TOKEN_CHARACTERS:
        raise Unauthenticated("the token is not one that this server issued")
    return found


def operator_of(deps: ControlDeps, digest: str) -> str:
    """Whose token has the digest: an operator's name, `admin`, or empty for no operator.

    The comparison takes the same time for every digest.
    """
    is_admin = hmac.compare_digest(digest, deps.admin_token_digest)
    return ADMIN if is_admin else deps.operators.name_of(digest)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


async def check_operator(deps: ControlDeps, token: str) -> str:
    """The operator's name; nobody else passes.

    Errors: Denied for any token of a session (journalled), Unauthenticated for any other.
    """
    if name := operator_of(deps, _digest(token)):
        return name
    session = await _session_behind(deps, token)
    if session is None:
        raise Unauthenticated("the token is not one that this server issued")
    body = {"why": "a session's token on an operator's path"}
    await deps.journal.refused(Kind.AUTH_REFUSED, session.principal, body)
    raise Denied("a session's token opens only its own session's paths")


async def _session_behind(deps: ControlDeps, token: str) -> Session | None:
    """The session whose token, model token or hook token it is; nothing is loaded into memory."""
    digest, for_hooks = token_digest(token), token.startswith(tokens.HOOK_PREFIX)
    prefix = tokens.HOOK_PREFIX if for_hooks else tokens.MODEL_PREFIX
    named = tokens.session_of(token, prefix)
    if not named:
        return await deps.store.session_by_token(digest)
    session = await deps.store.session(named)
    if session is None:
        return None
    known = session.hook_token_digest if for_hooks else session.model_token_digest
    return session if hmac.compare_digest(known, digest) else None


async def session_of(deps: ControlDeps, token: str) -> LiveSession:
    """The session of a token, whatever its state.

    Errors: Denied for an operator's token, Unauthenticated for one never issued.
    """
    if operator_of(deps, _digest(token)):
        raise Denied(_NO_SESSION)
    return await deps.sessions.authenticate(token)


class Gate:
    """ASGI middleware: checks the token, then the body, then lets the request in.

    It knows the tokens from the app's `state.deps`, as the routes do.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        try:
            limit_bytes = await _admit(scope)
            body = await _body(Request(scope, receive), limit_bytes)
        except HoldfastError as error:
            await answer(error)(scope, receive, send)
            return
        await self._app(scope, _Replay(body, receive), _unstored(send))


async def _admit(scope: Scope) -> int:
    """Most bytes that the body may have, once the token is right."""
    path: str = scope["path"]
    if path in PUBLIC_PATHS:
        return 0
    deps: ControlDeps = scope["app"].state.deps
    if digest := proven_in(scope):
        scope["state"]["operator"] = _proven_operator(deps, path, digest)
        return ADMIN_BODY_BYTES
    token = bearer(Headers(scope=scope))
    if path.startswith(SESSION_PATHS):
        await session_of(deps, token)
        return deps.config.server.max_body_bytes
    scope.setdefault("state", {})["operator"] = await check_operator(deps, token)
    return ADMIN_BODY_BYTES


def _proven_operator(deps: ControlDeps, path: str, digest: str) -> str:
    """The operator who signed. Errors: Denied on a session's path, Unauthenticated for no operator.

    The workers' token signs too, and opens the workers' paths alone.
    """
    name = operator_of(deps, digest)
    if not name:
        raise Unauthenticated("the token is not one of an operator")
    if path.startswith(SESSION_PATHS):
        raise Denied(_NO_SESSION)
    return name


def _unstored(send: Send) -> Send:
    """Answers hold tokens and other people's words: no cache on the way may keep them."""

    async def marked(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)["cache-control"] = "no-store"
        await send(message)

    return marked


class _Replay:
    """Hands on a body that was read; afterwards what the server says (that the client left)."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


async def _body(request: Request, limit_bytes: int) -> bytes:
    """The whole body, bounded, readable as JSON in one way only. Errors: TooLarge, InvalidRequest.

    What claims to be no JSON is left to the route, which refuses it.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > limit_bytes:
        raise TooLarge(f"the body is larger than {limit_bytes} bytes")
    parts: list[bytes] = []
    size = 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > limit_bytes:
                raise TooLarge(f"the body is larger than {limit_bytes} bytes")
            parts.append(part)
    except ClientDisconnect:
        raise InvalidRequest("the client left before its body was here") from None
    body = b"".join(parts)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if body and kind.endswith("json"):
        read = parse_json(body)
        if isinstance(read, Unreadable):
            raise InvalidRequest(read.reason, field="body")
    return body
