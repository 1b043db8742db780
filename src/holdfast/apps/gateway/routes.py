"""`/v1/messages`, `count_tokens`, `models` and `HEAD /api/hello` over the governed model calls."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, Protocol, TypeVar
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from holdfast.apps.gateway.bodies import ANSWERING
from holdfast.apps.gateway.connection import Connection
from holdfast.apps.gateway.errors import envelope, headers, status
from holdfast.apps.gateway.tasks import ClientLeft, while_connected
from holdfast.core.wire.admitted import NOTHING, Admitted
from holdfast.core.wire.headers import check_headers
from holdfast.core.wire.reading import NotInTable
from holdfast.errors import (
    HoldfastError,
    InternalError,
    InvalidRequest,
    NotFound,
    TooLarge,
    Unauthenticated,
)
from holdfast.ports.clock import Entropy
from holdfast.ports.llm import UpstreamAnswer
from holdfast.ports.readers import Body, Held, Readers
from holdfast.runtime.answers import Answer
from holdfast.runtime.growing import Growing, let_go
from holdfast.runtime.refused import read_out

_BODY_TIMEOUT_S = 60.0
# What the provider's connection decided, or what ours decides anew.
_NOT_RETURNED = frozenset(
    {"connection", "content-length", "date", "keep-alive", "server", "set-cookie"}
    | {"transfer-encoding", "upgrade", "alt-svc", "strict-transport-security"}
)
_PLAIN_BYTES_MAX = 16 * 1024 * 1024
# Other parts of the provider's API that clients ask for; nothing of ours is there.
_ELSEWHERE = ("/v1/files", "/v1/files/{rest:path}", "/v1/complete", "/v1/skills",
              "/v1/skills/{rest:path}")  # fmt: skip
_ASTRAY = ("/{before:path}/v1/messages", "/{before:path}/v1/messages/{rest:path}",
           "/v1//messages", "/v1/messages/v1/{rest:path}")  # fmt: skip
_QUERY = frozenset({"after_id", "before_id", "beta", "limit"})
_MODEL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@\[\]-]{0,127}", re.ASCII)

Report = Callable[[BaseException], None]
Who = TypeVar("Who")
Who_co = TypeVar("Who_co", covariant=True)
Who_contra = TypeVar("Who_contra", contravariant=True)


class Doorkeeper(Protocol[Who_co]):
    """Knows whose a token is."""

    async def authenticate_model(self, token: str, /) -> Who_co:
        """The session, as `Calls` wants it. Errors: Unauthenticated."""
        ...


class Calls(Protocol[Who_contra]):
    """Takes model calls to a provider: `runtime/model_calls`, or `runtime/relays/calls`."""

    async def call(
        self, who: Who_contra, path: str, headers: Mapping[str, str], body: Body, /
    ) -> Answer:
        """One `POST /v1/messages`. Errors: every typed refusal."""
        ...

    async def count(
        self, who: Who_contra, path: str, headers: Mapping[str, str], body: Body, /
    ) -> UpstreamAnswer:
        """One `count_tokens`, free."""
        ...

    async def models(
        self, who: Who_contra, path: str, headers: Mapping[str, str], /
    ) -> UpstreamAnswer:
        """One read of `/v1/models`, free."""
        ...


class Gateway(Generic[Who]):
    """The routes of the model's door."""

    def __init__(
        self,
        sessions: Doorkeeper[Who],
        calls: Calls[Who],
        entropy: Entropy,
        *,
        max_body_bytes: int,
        report: Report,
        admitted: Admitted = NOTHING,
        readers: Readers | None = None,
    ) -> None:
        self._admitted = admitted
        self._hold = readers.hold if readers is not None else None
        self._sessions = sessions
        self._calls = calls
        self._entropy = entropy
        self._max_body_bytes = max_body_bytes
        self._report = report

    def direct(self) -> dict[str, ASGIApp]:
        """The paths that carry streams, for whoever serves them without a router."""
        return {"/v1/messages": _Endpoint("POST", self._messages)}

    def routes(self, *, alone: bool = False) -> list[Route]:
        """What to mount; `alone`: nothing else is served at this address."""
        rest = [Route("/{rest:path}", _Endpoint("", self._ungoverned))] if alone else []
        return [
            *(Route(path, served) for path, served in self.direct().items()),
            Route("/v1/messages/count_tokens", _Endpoint("POST", self._count)),
            Route("/v1/messages/{rest:path}", _Endpoint("", self._ungoverned)),
            Route("/v1/models", _Endpoint("GET", self._models)),
            Route("/v1/models/{model_id}", _Endpoint("GET", self._models)),
            Route("/v1/models/{rest:path}", _Endpoint("", self._ungoverned)),
            *(Route(path, _Endpoint("", self._ungoverned)) for path in _ELSEWHERE),
            *(Route(path, _Endpoint("", self._astray)) for path in _ASTRAY),
            Route("/api/hello", self._hello, methods=["GET", "HEAD"]),
            *rest,
        ]

    async def _hello(self, _: Request) -> Response:
        """The CLI's warm-up; says nothing, needs no token."""
        return Response(b"")

    async def _ungoverned(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Batches, files and whatever else the provider has: not metered, so closed.

        Answered in the envelope that its clients read.
        """

        async def refuse(*_: object) -> None:
            raise NotFound(ungoverned(scope["path"]))

        await self._governed(scope, receive, send, refuse)

    async def _astray(self, scope: Scope, _: Receive, send: Send) -> None:
        """The API's own paths behind others: the client's base URL says too much."""
        await self._refuse(
            send,
            NotFound(
                "the Messages API is served at `/v1/messages`: set the client's base URL to this"
                " server's address alone, without a path and without a slash at its end"
            ),
            _client(scope),
        )

    async def _messages(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def forward(who: Who, given: Headers, body: Body, send: Send) -> None:
            target = _target("/v1/messages", scope)
            answer = await self._calls.call(who, target, given, body)
            let_go(body)
            scope.get("state", {}).get(ANSWERING, _nothing)()
            client = answer.client = Connection.of(scope)
            if answer.streams:
                await _stream(send, answer, client)
            else:
                await _whole(send, answer, client)

        await self._governed(scope, receive, send, forward)

    async def _count(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def forward(who: Who, given: Headers, body: Body, send: Send) -> None:
            path = _target("/v1/messages/count_tokens", scope)
            await _plain(await self._calls.count(who, path, given, body), send)

        await self._governed(scope, receive, send, forward)

    async def _models(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def forward(who: Who, given: Headers, _: Body, send: Send) -> None:
            path = _target(_models_path(scope), scope)
            await _plain(await self._calls.models(who, path, given), send)

        await self._governed(scope, receive, send, forward)

    async def _governed(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        act: Callable[[Who, Headers, Body, Send], Awaitable[None]],
    ) -> None:
        """Authenticate, read, act; every refusal leaves in the envelope of the Messages API."""
        started = False
        body: Body = b""

        async def sending(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            who = await self._sessions.authenticate_model(_token(scope))
            Connection.of(scope).recognised()
            body = await read_body(scope, receive, self._max_body_bytes, self._hold)
            given = self._headers(scope)
            async with while_connected(receive):
                await act(who, given, body, sending)
        except ClientLeft:
            return
        except Exception as error:
            if not isinstance(error, HoldfastError):
                self._report(error)
            if started:
                # Headers are gone: all that is left is to break off, which clients see.
                raise
            await self._refuse(send, error, _client(scope))
        finally:
            let_go(body)

    def _headers(self, scope: Scope) -> Headers:
        """The client's headers; a coded body cannot be governed. Errors: InvalidRequest."""
        given = Headers(scope=scope)
        for name, value in given.raw:
            try:
                value.decode()
            except UnicodeDecodeError:
                shown = name.decode("latin-1")
                raise InvalidRequest(f"the header `{shown}` is not valid utf-8") from None
        try:
            check_headers((name.decode("latin-1") for name, _ in given.raw), self._admitted)
        except NotInTable as fault:
            raise InvalidRequest(str(fault)) from None
        if given.get("content-encoding", "identity") != "identity":
            raise InvalidRequest("send the body without content-encoding")
        return given

    async def _refuse(self, send: Send, error: Exception, client: str) -> None:
        """The envelope of an error.

        Not in the frame that caught it: a frame that its own error's traceback holds must not hold
        the error, or both stay in memory, the body with them, until the collector looks.
        """
        refusal = error
        if not isinstance(refusal, HoldfastError):
            refusal = InternalError("holdfast could not handle the request; see its log")
        request_id = self._entropy.new_id("req")
        await _respond(
            send,
            status(refusal, client),
            headers(refusal, request_id),
            envelope(refusal, request_id, client),
        )


class _Endpoint:
    """An ASGI application in one method: Starlette wraps functions, and would hide `receive`.

    Another method than the one of the path (any where it is empty) is refused here, in the
    envelope, not by whatever is mounted behind these routes.
    """

    def __init__(
        self, method: str, serve: Callable[[Scope, Receive, Send], Awaitable[None]]
    ) -> None:
        self._method = method
        self._serve = serve

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._method in ("", scope["method"]):
            await self._serve(scope, receive, send)
            return
        refusal = InvalidRequest(f"this path takes {self._method}")
        fields = {**headers(refusal, ""), "allow": self._method}
        await _respond(send, 405, fields, envelope(refusal, ""))


def _client(scope: Scope) -> str:
    """What the client calls itself."""
    return Headers(scope=scope).get("user-agent", "")


def _nothing() -> None:
    """Nobody counts what this request's body holds."""


def _token(scope: Scope) -> str:
    """The session's token, from either header that clients use. Errors: Unauthenticated."""
    given = Headers(scope=scope)
    scheme, _, token = given.get("authorization", "").partition(" ")
    token = token.strip() if scheme.lower() == "bearer" else ""
    token = token or given.get("x-api-key", "").strip()
    if not token:
        raise Unauthenticated("no session token: send it as a bearer token or as x-api-key")
    return token


async def read_body(
    scope: Scope, receive: Receive, limit_bytes: int, hold: Callable[[], Held] | None = None
) -> Body:
    """The whole request body; a large one where `hold` says, and whoever gets it lets it go.

    Errors: TooLarge past `limit_bytes` (at once when the client says so beforehand),
    InvalidRequest when it does not come in time, ClientLeft when the client goes before its end.
    """
    declared = Headers(scope=scope).get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > limit_bytes:
        raise TooLarge(f"the body is larger than {limit_bytes} bytes")
    growing = Growing(limit_bytes, hold)
    try:
        async with asyncio.timeout(_BODY_TIMEOUT_S):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientLeft
                growing.append(message.get("body", b""))
                if not message.get("more_body", False):
                    return growing.whole()
    except TimeoutError:
        growing.close()
        raise InvalidRequest(f"the body did not arrive within {_BODY_TIMEOUT_S:g} s") from None
    except BaseException:
        growing.close()
        raise


def ungoverned(path: str) -> str:
    """Why a path is not forwarded, and what to do instead."""
    if path.startswith("/v1/messages/batches"):
        return (
            "holdfast does not forward message batches, because nobody could hold a job of them to"
            " a cap or end it: send each request to `/v1/messages`, or run the job with"
            " `holdfast batch run`"
        )
    if path.startswith("/v1/files"):
        return (
            "holdfast does not forward files, because what is kept at the provider outlives every"
            " session: put the content into the request, or upload it with a key of your own and"
            " name its `file_id`"
        )
    return "holdfast does not govern this path, so it does not forward it"


def _target(path: str, scope: Scope) -> str:
    """A path of ours with what the provider reads of the client's query."""
    query = parse_qsl(scope.get("query_string", b"").decode("ascii", "replace"))
    kept = urlencode([(name, value) for name, value in query if name in _QUERY])
    return f"{path}?{kept}" if kept else path


def _models_path(scope: Scope) -> str:
    """Errors: NotFound for what is no name of a model."""
    model = scope.get("path_params", {}).get("model_id")
    if model is None:
        return "/v1/models"
    if not _MODEL_ID.fullmatch(model) or ".." in model:
        raise NotFound("that is no name of a model")
    return f"/v1/models/{model}"


def _returned(given: Mapping[str, str]) -> Mapping[str, str]:
    return {name: value for name, value in given.items() if name.lower() not in _NOT_RETURNED}


def _raw(fields: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """Header bytes; the provider's arrive decoded as UTF-8 with escapes for what is not."""
    return [
        (name.lower().encode(), value.encode("utf-8", "surrogateescape"))
        for name, value in fields.items()
    ]


async def _respond(send: Send, status: int, fields: Mapping[str, str], body: bytes) -> None:
    raw = [*_raw(fields), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


async def _plain(answer: UpstreamAnswer, send: Send) -> None:
    fields = answer.headers
    try:
        if answer.status == 200:
            body = await answer.read(_PLAIN_BYTES_MAX)
        else:
            refused = await read_out(answer)
            fields, body = refused.headers, refused.body
    finally:
        answer.close()
    await _respond(send, answer.status, _returned(fields), body)


async def _whole(send: Send, answer: Answer, client: Connection) -> None:
    """Hand on an answer that does not stream; a kill reaches it until the client has it."""
    try:
        body = await answer.whole()
        raw = [
            *_raw(_returned(answer.headers)),
            (b"content-length", str(len(body)).encode()),
        ]
        client.discards()
        await send({"type": "http.response.start", "status": answer.status, "headers": raw})
        await send({"type": "http.response.body", "body": body, "more_body": True})
        await client.delivered()
        client.delivers()
        await send({"type": "http.response.body", "body": b""})
    finally:
        answer.close()


async def _stream(send: Send, answer: Answer, client: Connection) -> None:
    events = answer.events()
    client.discards()
    try:
        await send(
            {
                "type": "http.response.start",
                "status": answer.status,
                "headers": _raw(_returned(answer.headers)),
            }
        )
        async for chunk in events:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        client.delivers()
        await send({"type": "http.response.body", "body": b""})
    finally:
        # Closed here, not by the garbage collector: the provider must stop at once.
        await events.aclose()
        answer.close()
