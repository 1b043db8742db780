"""Who is at the door: an operator, whoever holds a spending key, or an agent with its session.

One gate before all operations, closed unless it knows the path: one that someone adds is the
operator's until this file says otherwise. Not here: what either may do, bodies (`reading`).
"""

import hashlib
import hmac
from typing import NamedTuple

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.errors import refusal
from holdfast.apps.control.operator_file import ADMIN
from holdfast.apps.control.proving import proven_in
from holdfast.apps.control.reading import bearer
from holdfast.apps.control.spending import called, key_of, refused
from holdfast.errors import Denied, HoldfastError, Unauthenticated
from holdfast.model import tokens
from holdfast.model.bodies import AuthRefused
from holdfast.model.keys import KEY_HOLDER, SpendingKey
from holdfast.model.sessions import Session
from holdfast.runtime.born import token_digest
from holdfast.runtime.live import LiveSession

LINK_PATH = "/v1/sign-ins/open"
"""What is shown there is the code of a link, and nobody's token."""
LEAVE_PATH = "/v1/sign-ins/leave"
"""What is shown there ends by it."""
IDENTITY_PATHS = frozenset(
    {
        "/v1/sign-ins/identity",
        "/v1/sign-ins/identity/begin",
        "/v1/sign-ins/identity/open",
        "/v1/sign-ins/device/begin",
        "/v1/sign-ins/device/open",
    }
)
"""Where strangers sign in with an identity provider."""
PUBLIC_PATHS = (
    frozenset({"/healthz", "/openapi.json", "/docs", LINK_PATH, LEAVE_PATH}) | IDENTITY_PATHS
)
SESSION_PATHS = "/v1/guard/"
_NO_SESSION = "an operator's token acts for no session; use the session's own token"
_NOBODY = "the token is not one of an operator, and no key"
_KEY_NO_SESSION = "a key acts for no session; open one with it, and use the session's own token"


def operator_of(deps: ControlDeps, digest: str) -> str:
    """Whose token has the digest: an operator's name, `admin`, or empty for no operator.

    Whoever is signed in acts as the operator that they are. The comparison takes the same time for
    every digest.
    """
    is_admin = hmac.compare_digest(digest, deps.admin_token_digest)
    if name := ADMIN if is_admin else deps.operators.name_of(digest):
        return name
    signed_in = _signed_in(deps, digest)
    return "" if signed_in.startswith(KEY_HOLDER) else signed_in


def key_at(deps: ControlDeps, digest: str) -> SpendingKey | None:
    """The key whose token has the digest, or as whose holder somebody signed in with it."""
    found = deps.house.keys.of_digest(digest)
    return found if found is not None else key_of(deps, _signed_in(deps, digest))


def _signed_in(deps: ControlDeps, digest: str) -> str:
    """As whom somebody is signed in; empty for nobody."""
    found = deps.sign_ins.of_digest(digest, deps.house.clock.now_ns())
    return found.operator if found is not None else ""


class Shown(NamedTuple):
    """What a request showed: a token, or only its digest where the request was signed with it."""

    token: str
    digest: str


def shown_in(request: Request) -> Shown:
    """Errors: Unauthenticated for a request that shows nothing."""
    if digest := proven_in(request.scope):
        return Shown("", digest)
    token = bearer(request.headers)
    return Shown(token, _digest(token))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


async def check_operator(deps: ControlDeps, token: str) -> str:
    """The name of the operator, or of the key; nobody else passes.

    Errors: Denied for any token of a session (journalled), Unauthenticated for any other.
    """
    if name := _named(deps, _digest(token)):
        return name
    session = await _session_behind(deps, token)
    if session is None:
        raise Unauthenticated("the token is not one that this server issued")
    body = AuthRefused(why="a session's token on an operator's path")
    await deps.house.journal.refused(body, session.principal)
    raise Denied("a session's token opens only its own session's paths")


def _named(deps: ControlDeps, digest: str) -> str:
    """Who acts with this token: an operator or a key, also one that is over; empty for neither."""
    key = key_at(deps, digest)
    return operator_of(deps, digest) or (called(key) if key is not None else "")


async def _session_behind(deps: ControlDeps, token: str) -> Session | None:
    """The session whose token, model token or hook token it is; nothing is loaded into memory."""
    digest, for_hooks = token_digest(token), token.startswith(tokens.HOOK_PREFIX)
    prefix = tokens.HOOK_PREFIX if for_hooks else tokens.MODEL_PREFIX
    named = tokens.session_of(token, prefix)
    if not named:
        return await deps.house.store.session_by_token(digest)
    session = await deps.house.store.session(named)
    if session is None:
        return None
    known = session.hook_token_digest if for_hooks else session.model_token_digest
    return session if hmac.compare_digest(known, digest) else None


async def session_of(deps: ControlDeps, token: str) -> LiveSession:
    """The session of a token, whatever its state.

    Errors: Denied for an operator's token or a key, Unauthenticated for one never issued.
    """
    await _check_no_session(deps, _digest(token))
    return await deps.house.sessions.authenticate(token)


async def _check_no_session(deps: ControlDeps, digest: str) -> None:
    """Errors: Denied, for what opens no path of a session."""
    if operator_of(deps, digest):
        raise Denied(_NO_SESSION)
    if (key := key_at(deps, digest)) is not None:
        raise await refused(deps, key, _KEY_NO_SESSION, action="session.act")


class Gate:
    """ASGI middleware: checks the token, then lets the request in.

    It knows the tokens from the app's `state.deps`, as the operations do.
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
            await _admit(scope)
        except HoldfastError as error:
            await refusal(error)(scope, receive, send)
            return
        await self._app(scope, receive, send)


async def _admit(scope: Scope) -> None:
    path: str = scope["path"]
    if path in PUBLIC_PATHS:
        return
    deps: ControlDeps = scope["app"].state.deps
    if not path.startswith(SESSION_PATHS):
        scope.setdefault("state", {})["operator"] = await operator_at(deps, scope)
    elif digest := proven_in(scope):
        await _check_no_session(deps, digest)
        raise Unauthenticated(_NOBODY)
    else:
        await session_of(deps, bearer(Headers(scope=scope)))


async def operator_at(deps: ControlDeps, scope: Scope) -> str:
    """Which operator or key signed a request, or sent its token. Errors: as `check_operator`."""
    if digest := proven_in(scope):
        return _proven(deps, digest)
    return await check_operator(deps, bearer(Headers(scope=scope)))


def _proven(deps: ControlDeps, digest: str) -> str:
    """The operator or key that signed. Errors: Unauthenticated for neither.

    The workers' token signs too, and opens the workers' paths alone.
    """
    name = _named(deps, digest)
    if not name:
        raise Unauthenticated(_NOBODY)
    return name
