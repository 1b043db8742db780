"""The HTTP door: routes, headers, and sending a plan at the script's pace with the script's faults.

What is said is decided in `playback`; here it becomes ASGI messages, and a client that leaves is
noticed.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.routing import Route

from .api_errors import ApiError
from .broken_streams import broken
from .playback import MAX_BODY_BYTES, Options, Plan, Playback, rate_limit_headers
from .recording import RecordedRequest, RequestLog
from .script import Fault, as_script
from .sse import content_frames

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
_YIELD_EVERY_WRITES = 32


class ClientGone(Exception):
    """The client closed its connection before the reply was complete."""


class Exchange:
    """One request and its reply being sent; knows whether the client is still there."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, record: RecordedRequest) -> None:
        self.scope = scope
        self.record = record
        self._receive = receive
        self._send = send
        self._gone: asyncio.Task[None] | None = None

    async def read_body(self) -> bytes:
        """The request's body, cut when larger than the API accepts; raises `ClientGone`."""
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            size += len(message.get("body", b""))
            if size <= MAX_BODY_BYTES + 1:
                chunks.append(message.get("body", b""))
            else:
                chunks.append(message.get("body", b"")[:1])
            if not message.get("more_body", False):
                return b"".join(chunks)

    async def start(self, status: int, headers: dict[str, str]) -> None:
        """Send status and headers."""
        self.record.status = status
        pairs = [
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()
        ]
        await self._send({"type": "http.response.start", "status": status, "headers": pairs})

    async def write(self, body: bytes) -> None:
        """Send one write of a body that goes on; raises `ClientGone`."""
        if self._gone is not None and self._gone.done():
            raise ClientGone
        if self.record.first_byte_at is None:
            self.record.first_byte_at = time.monotonic()
        await self._send({"type": "http.response.body", "body": body, "more_body": True})
        self.record.events_sent += 1

    async def finish(self, body: bytes = b"") -> None:
        """Send the end of the body."""
        self.unwatch()
        now = time.monotonic()
        if self.record.first_byte_at is None:
            self.record.first_byte_at = now
        self.record.finished_at = now
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    async def sleep(self, duration_s: float) -> None:
        """Wait, but not longer than the client stays; raises `ClientGone`."""
        if self._gone is None:
            self.watch()
        assert self._gone is not None
        done, _ = await asyncio.wait((self._gone,), timeout=max(0.0, duration_s))
        if done:
            raise ClientGone

    def watch(self) -> None:
        """Notice from now on when the client leaves."""
        if self._gone is None:
            self._gone = asyncio.get_running_loop().create_task(self._until_gone())

    def unwatch(self) -> None:
        """Stop noticing."""
        if self._gone is not None and not self._gone.done():
            self._gone.cancel()

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass


class ScriptedApp:
    """The endpoints over one playback; `log` keeps what was asked."""

    def __init__(self, playback: Playback, log: RequestLog) -> None:
        self.playback = playback
        self.log = log

    async def serve(self, scope: Scope, receive: Receive, send: Send, answer: _Answer) -> None:
        """Record the request and answer it, refusals included; note a client that leaves."""
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        record = RecordedRequest(
            scope["method"], scope["path"], scope["query_string"].decode("latin-1"), headers
        )
        record.request_id = self.playback.ids.new("req")
        self.log.add(record)
        exchange = Exchange(scope, receive, send, record)
        try:
            record.raw = await exchange.read_body()
            await answer(exchange)
        except ApiError as error:
            await self.refuse(exchange, error)
        except ClientGone:
            record.client_disconnected_at = time.monotonic()
        except asyncio.CancelledError:
            record.client_disconnected_at = record.client_disconnected_at or time.monotonic()
            raise
        finally:
            exchange.unwatch()

    async def refuse(self, exchange: Exchange, error: ApiError) -> None:
        """Send an error envelope."""
        body = error.body(exchange.record.request_id)
        await self._send_json(exchange, body, status=error.status, extra=error.headers)

    async def messages(self, exchange: Exchange) -> None:
        """`POST /v1/messages`."""
        record, playback = exchange.record, self.playback
        owner = playback.authenticate(record.headers)
        _require_version(record.headers)
        record.json = body = playback.decode(record.raw)
        plan = playback.plan(owner, body, record.headers)
        record.scenario, record.turn, record.attempt = (
            plan.chosen.scenario,
            plan.chosen.index,
            plan.attempt,
        )
        complete = False
        try:
            if plan.fault.hang_before_headers_s:
                await exchange.sleep(plan.fault.hang_before_headers_s)
            if plan.fault.status is not None:
                raise _scripted_error(plan.fault)
            record.message_id, record.usage = plan.message["id"], plan.message["usage"]
            if body.get("stream"):
                complete = await self._stream(exchange, plan)
            else:
                complete = await self._send_whole(exchange, plan)
        finally:
            if complete:
                content = plan.message["content"]
                playback.threads.keep(owner, body, plan.whole, plan.message["id"], content)
            else:
                playback.threads.abandon(owner, body)

    async def count_tokens(self, exchange: Exchange) -> None:
        """`POST /v1/messages/count_tokens`."""
        record = exchange.record
        owner = self.playback.authenticate(record.headers)
        _require_version(record.headers)
        record.json = self.playback.decode(record.raw)
        tokens = self.playback.count(owner, record.raw, record.headers.get("anthropic-beta", ""))
        await self._send_json(exchange, msgspec.json.encode({"input_tokens": tokens}))

    async def models(self, exchange: Exchange) -> None:
        """`GET /v1/models`."""
        self.playback.authenticate(exchange.record.headers)
        listed = self.playback.catalogue.listing()
        first, last = (listed[0]["id"], listed[-1]["id"]) if listed else (None, None)
        page = {"data": listed, "has_more": False, "first_id": first, "last_id": last}
        await self._send_json(exchange, msgspec.json.encode(page))

    async def model(self, exchange: Exchange) -> None:
        """`GET /v1/models/{model_id}`."""
        self.playback.authenticate(exchange.record.headers)
        found = self.playback.model(exchange.scope["path_params"]["model_id"])
        await self._send_json(exchange, msgspec.json.encode(found))

    async def hello(self, exchange: Exchange) -> None:
        """`HEAD|GET /api/hello`, a client's warm-up, without a key."""
        body = b"" if exchange.record.method == "HEAD" else b'{"message":"hello"}'
        await self._send_json(exchange, body)

    async def recorded(self, exchange: Exchange) -> None:
        """`GET /_scripted/requests`: what was asked so far.

        For tests that run the server as a process of its own.
        """
        seen = [record.summary() for record in self.log.requests if record is not exchange.record]
        await self._send_json(exchange, msgspec.json.encode(seen))

    async def reset(self, exchange: Exchange) -> None:
        """`POST /_scripted/reset`: forget requests, attempts, threads and cached prompts."""
        self.playback.reset()
        self.log.requests.clear()
        await self._send_json(exchange, b"{}")

    async def unknown(self, exchange: Exchange) -> None:
        """Any other path."""
        raise ApiError(404, "Not found")

    async def _send_json(
        self,
        exchange: Exchange,
        body: bytes,
        *,
        status: int = 200,
        extra: dict[str, str] | None = None,
    ) -> None:
        headers = self._headers(exchange, "application/json")
        await exchange.start(status, {**headers, "content-length": str(len(body)), **(extra or {})})
        await exchange.finish(body)

    def _headers(self, exchange: Exchange, content_type: str) -> dict[str, str]:
        return {
            "content-type": content_type,
            "request-id": exchange.record.request_id,
            **rate_limit_headers(),
        }

    async def _send_whole(self, exchange: Exchange, plan: Plan) -> bool:
        """Send the message in one piece, as late as its last event would come.

        A hang comes before the headers, a close in the middle of the body; broken events have no
        meaning here. Returns what `_stream` does.
        """
        pacing, fault = plan.pacing, plan.fault
        delay_ms = pacing.first_event_delay_ms
        if pacing.event_interval_ms:
            delay_ms += pacing.event_interval_ms * len(content_frames(plan.blocks, pacing))
        if fault.hang_after_events is not None:
            delay_ms += fault.hang_s * 1000
        if delay_ms:
            await exchange.sleep(delay_ms / 1000)
        body = msgspec.json.encode(plan.message)
        if fault.close_after_events is None:
            await self._send_json(exchange, body)
            return True
        headers = self._headers(exchange, "application/json")
        await exchange.start(200, {**headers, "content-length": str(len(body))})
        await exchange.write(body[: len(body) // 2])
        exchange.record.finished_at = time.monotonic()
        return False

    async def _stream(self, exchange: Exchange, plan: Plan) -> bool:
        """Send the events; returns whether a thread may be continued from this reply."""
        exchange.watch()
        headers = self._headers(exchange, "text/event-stream; charset=utf-8")
        await exchange.start(200, {**headers, "cache-control": "no-cache"})
        fault = plan.fault
        if fault.broken_sse is not None:
            writes = broken(
                plan.frames, fault.broken_sse, fault.after_events, exchange.record.request_id
            )
        else:
            writes = plan.frames
        if fault.close_after_events is not None and fault.close_after_events < len(writes):
            await self._send_writes(exchange, plan, writes[: fault.close_after_events])
            if fault.close_mid_event:
                next_write = writes[fault.close_after_events]
                await exchange.write(next_write[: len(next_write) // 2])
            # Returning without the end of the body makes the server close the connection.
            exchange.unwatch()
            exchange.record.finished_at = time.monotonic()
            return False
        await self._send_writes(exchange, plan, writes)
        await exchange.finish()
        return fault.broken_sse in (None, "split_utf8", "crlf", "byte_by_byte", "no_usage")

    async def _send_writes(self, exchange: Exchange, plan: Plan, writes: list[bytes]) -> None:
        pacing, fault = plan.pacing, plan.fault
        paused = pacing.event_interval_ms or pacing.first_event_delay_ms
        if fault.slow_bytes is not None:
            await _trickle(exchange, writes, fault)
        elif paused or fault.hang_after_events is not None:
            await _paced(exchange, plan, writes)
        else:
            together = max(1, pacing.events_per_write)
            if together > 1:
                writes = [
                    b"".join(writes[at : at + together]) for at in range(0, len(writes), together)
                ]
            for count, item in enumerate(writes):
                await exchange.write(item)
                if count % _YIELD_EVERY_WRITES == _YIELD_EVERY_WRITES - 1:
                    await asyncio.sleep(0)


_Answer = Callable[[Exchange], Awaitable[None]]


async def _paced(exchange: Exchange, plan: Plan, writes: list[bytes]) -> None:
    """One event every interval, on a schedule that does not drift, hanging where the fault says."""
    loop, interval_s = asyncio.get_running_loop(), plan.pacing.event_interval_ms / 1000
    due = loop.time() + plan.pacing.first_event_delay_ms / 1000
    for count, item in enumerate(writes):
        if count == plan.fault.hang_after_events:
            await exchange.sleep(plan.fault.hang_s)
        if due > loop.time():
            await exchange.sleep(due - loop.time())
        await exchange.write(item)
        due += interval_s


async def _trickle(exchange: Exchange, writes: list[bytes], fault: Fault) -> None:
    body, size = b"".join(writes), max(1, fault.slow_bytes or 1)
    for at in range(0, len(body), size):
        await exchange.write(body[at : at + size])
        await exchange.sleep(fault.slow_interval_ms / 1000)


def _require_version(headers: dict[str, str]) -> None:
    if not headers.get("anthropic-version"):
        raise ApiError(400, "anthropic-version: header is required")


def _scripted_error(fault: Fault) -> ApiError:
    assert fault.status is not None
    headers = dict(fault.headers)
    retry_after_s = (
        fault.retry_after_s
        if fault.retry_after_s is not None
        else 1
        if fault.status == 429
        else None
    )
    if retry_after_s is not None:
        headers.setdefault("retry-after", str(math.ceil(retry_after_s)))
        headers.setdefault("retry-after-ms", str(int(retry_after_s * 1000)))
    return ApiError(fault.status, fault.message, error_type=fault.error_type, headers=headers)


class _Endpoint:
    """One route as a plain ASGI application, sparing a request object per request."""

    def __init__(self, scripted: ScriptedApp, answer: _Answer) -> None:
        self._scripted = scripted
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._scripted.serve(scope, receive, send, self._answer)


def create_app(
    script: Any = None, *, options: Options | None = None, log: RequestLog | None = None
) -> Starlette:
    """The ASGI application that plays `script` (anything `as_script` takes).

        `app.state.playback` and `app.state.log` are its state. Raises `ScriptError` for a
    script that cannot be played.
    """
    settings = options or Options()
    playback = Playback(as_script(script), settings)
    scripted = ScriptedApp(playback, log or RequestLog(settings.request_limit))
    routes = [
        Route("/v1/messages", _Endpoint(scripted, scripted.messages), methods=["POST"]),
        Route(
            "/v1/messages/count_tokens",
            _Endpoint(scripted, scripted.count_tokens),
            methods=["POST"],
        ),
        Route("/v1/models", _Endpoint(scripted, scripted.models), methods=["GET"]),
        Route("/v1/models/{model_id}", _Endpoint(scripted, scripted.model), methods=["GET"]),
        Route("/api/hello", _Endpoint(scripted, scripted.hello), methods=["GET", "HEAD"]),
        Route("/_scripted/requests", _Endpoint(scripted, scripted.recorded), methods=["GET"]),
        Route("/_scripted/reset", _Endpoint(scripted, scripted.reset), methods=["POST"]),
        Route("/{path:path}", _Endpoint(scripted, scripted.unknown)),
    ]
    app = Starlette(routes=routes)
    app.state.playback = playback
    app.state.log = scripted.log
    return app
