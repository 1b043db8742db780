"""How bytes of a client become requests, bounded before anyone is known.

Over uvicorn's protocol: a request's head has so many bytes, so many fields and so many seconds;
what frames a body (chunk sizes, trailers) has no more bytes than the body it frames; requests do
not queue up behind one another. Of connections whose sender has not been recognised only so many
are kept, each for seconds, and the oldest go first: they are never in the way of one that has.
Whose bytes have come and were not read yet waits for this process, and is not the one that is late.

What is left of a body that was answered already is thrown away at a pace, and what strangers send
that is no request is said in the log once in a while, not each time.

Not here: the size of a body (`routes.read_body`), and what many bodies hold (`bodies`).
"""

import asyncio
import logging
import resource
import select
import time
from collections import OrderedDict
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from holdfast.apps.gateway.bodies import Pace
from holdfast.apps.gateway.connection import Connection
from holdfast.apps.gateway.one_write import OneWrite

HEAD_BYTES_MAX = 64 * 1024
HEAD_FIELDS_MAX = 128
HEAD_TIMEOUT_S = 10.0
UNKNOWN_HARD = min(4096, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
"""Connections at a time that wait for a head of nobody known; one more ends the oldest of them."""
UNKNOWN_MAX = min(512, UNKNOWN_HARD // 2)
"""Those among them that wait for longer than `GRACE_S`."""
GRACE_S = 2.0
"""A client that opens many connections at once sends on each of them in this time."""
PIPELINED_MAX = 1

THROWN_BYTES_PER_S = 64 * 1024 * 1024
"""Of all bodies together that nobody reads any more."""
SAID_EVERY_S = 10.0

_FRAMING_BYTES = 64 * 1024
# So much is parsed before the bounds are looked at again.
_SLICE_BYTES = 16 * 1024
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/json\r\n"
    b"x-should-retry: false\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%s"
)
_BODY = (
    b'{"type":"error","error":{"type":"invalid_request_error","message":'
    b'"invalid_request: the head of a request has at most %d bytes in %d fields"}}'
) % (HEAD_BYTES_MAX, HEAD_FIELDS_MAX)
_REFUSAL = _TOO_LARGE % (len(_BODY), _BODY)


class BoundedProtocol(HttpToolsProtocol):
    """One connection; see the module."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._in_head = True
        self._head_bytes = 0
        self._fields = 0
        self._framing_bytes = 0
        self._carried_bytes = 0
        self._body_bytes = 0
        self._refused = False
        self._reading = False
        self._held: tuple[RequestResponseCycle, Any] | None = None
        self._answering: RequestResponseCycle | None = None
        self._known = False
        self._waits_since_s = 0.0
        self._excused = False
        self._head_timer: asyncio.TimerHandle | None = None
        self._thrower: asyncio.TimerHandle | None = None
        self.logger = _Log(self.logger)  # type: ignore[assignment]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client is there; its head is waited for."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._head_over()
        if self._thrower is not None:
            self._thrower.cancel()
        self._leave()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count, then parse; what is over a bound ends the connection."""
        self._reading = True
        for at in range(0, len(data), _SLICE_BYTES):
            if self._refused or self.transport.is_closing():
                break
            self._take(data[at : at + _SLICE_BYTES])
        self._reading = False
        held, self._held = self._held, None
        if held is not None and not self._refused:
            self._start_asgi_task(*held)

    def _take(self, data: bytes) -> None:
        body_before = self._carried_bytes
        if self._in_head:
            self._head_bytes += len(data)
            self._await_head()
        super().data_received(data)
        if self._in_head and self._head_bytes > HEAD_BYTES_MAX:
            self._refuse()
        elif not self._in_head:
            self._framing_bytes += len(data) - (self._carried_bytes - body_before)
            if self._framing_bytes > self._body_bytes + _FRAMING_BYTES + HEAD_BYTES_MAX:
                self._end()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Begin once all that came with the request was looked at."""
        if self._reading:
            self._held = (cycle, app)
        else:
            self._answering = cycle
            super()._start_asgi_task(cycle, app)

    def on_message_begin(self) -> None:
        """A new request on this connection."""
        if self._refused:
            # Ends the parser's way through what else came with it.
            raise ConnectionAbortedError
        super().on_message_begin()
        self._in_head, self._fields = True, 0
        self._framing_bytes = self._body_bytes = 0
        client = Connection(self.transport, self._recognised, self._write_piece)
        client.shown_in(self.scope)  # type: ignore[arg-type]

    def on_header(self, name: bytes, value: bytes) -> None:
        """One field, of the head or of a trailer; trailers say nothing that is used here."""
        self._fields += 1
        if self._fields > HEAD_FIELDS_MAX:
            self._refuse()
            # Ends the parser's way through what else came with it.
            raise ConnectionAbortedError
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole: it is refused, or the request is served from here on."""
        self._in_head = False
        size = len(self.url) + sum(len(n) + len(v) for n, v in self.headers)
        self._head_bytes = 0
        self._head_over()
        if size > HEAD_BYTES_MAX:
            self._refuse()
        elif len(self.pipeline) >= PIPELINED_MAX:
            self._end()
        else:
            super().on_headers_complete()
            self.cycle.transport = OneWrite(self.transport, self.loop)  # type: ignore[assignment]
            self._fields = 0

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._body_bytes += len(body)
        # Of all requests: a piece of data may end one and begin the next.
        self._carried_bytes += len(body)
        if self._refused:
            return
        super().on_body(body)
        if self.cycle.response_complete:
            self._throw_away(len(body))

    def _write_piece(self, piece: bytes) -> bool:
        """A piece of the answer that is being sent; False where it has to go the long way."""
        cycle = self._answering
        if cycle is None or not cycle.chunked_encoding or self.flow.write_paused:
            return False
        if cycle.response_complete or cycle.disconnected:
            return False
        cycle.transport.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        return True

    def _throw_away(self, size: int) -> None:
        """Read on when it is due: nobody waits for what this client goes on to send."""
        wait_s = _thrown.wait_s(self.loop.time(), size)
        self.flow.pause_reading()
        if self._thrower is not None:
            self._thrower.cancel()
        self._thrower = self.loop.call_later(wait_s, self.flow.resume_reading)

    def on_message_complete(self) -> None:
        """The body is whole."""
        if not self._refused:
            super().on_message_complete()
        self._in_head = True
        self._head_bytes = 0

    def on_response_complete(self) -> None:
        """The connection is kept for the next request; for long only where its sender is known."""
        super().on_response_complete()
        if not self._known and not self.transport.is_closing():
            self._await_head()

    def _recognised(self) -> None:
        self._known = True

    def send_400_response(self, msg: str) -> None:
        """What is no request; a connection that is over already is told nothing."""
        if not self._refused:
            super().send_400_response(msg)

    def _await_head(self) -> None:
        if self._head_timer is None:
            self._excused = False
            self._wait()
            _make_room()

    def _wait(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT_S, self._too_late)
        # The loop's clock stands still for as long as one turn of the loop takes.
        self._waits_since_s = time.monotonic()
        if not self._known:
            _unknown[self] = None

    @property
    def waits_since_s(self) -> float:
        """When its head began to be waited for, on the clock that never goes back."""
        return self._waits_since_s

    def _too_late(self) -> None:
        if not self.excused():
            self.give_way()

    def excused(self) -> bool:
        """Whether its wait begins anew: what it sent lies unread. Once for each head."""
        if self._excused or self._head_timer is None or not _unread(self.transport):
            return False
        self._excused = True
        self._head_over()
        self._wait()
        return True

    def give_way(self) -> None:
        """It was waited for in vain, or newer ones need the place."""
        self._head_over()
        if not self.transport.is_closing():
            self._end()

    def _head_over(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
            _unknown.pop(self, None)

    def _end(self) -> None:
        """Nothing more is read or said here, by whoever is answering either."""
        self._refused = True
        self._leave()
        self.transport.abort()

    def _refuse(self) -> None:
        if not self._refused:
            self._refused = True
            self._head_over()
            if self._answering is None or self._answering.response_complete:
                self.transport.write(_REFUSAL)
            self._leave()
            self.transport.close()

    def _leave(self) -> None:
        """Tell whoever answers that nobody listens: a closed connection is no fault of theirs."""
        # Where a request waits behind the one that is answered, `cycle` is the one that waits.
        for cycle in (self._answering, self.cycle):
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()


class _Log:
    """uvicorn's log, in which what strangers can bring about takes a line in a while.

    A fault of ours is told with where it was, once in `SAID_EVERY_S` for each place: whoever finds
    a way to one could otherwise have the loop write tracebacks.
    """

    def __init__(self, log: logging.Logger) -> None:
        self._log = log

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    def warning(self, message: str, *given: Any) -> None:
        """Say it, unless something was said a moment ago."""
        if _due("warning"):
            self._log.warning(message, *given, exc_info=False)

    def error(self, message: str, *given: Any, exc_info: Any = None) -> None:
        """Say it, unless a fault at the same place was told a moment ago."""
        if _due(_place(exc_info) if isinstance(exc_info, BaseException) else message):
            self._log.error(message, *given, exc_info=exc_info)


def _place(error: BaseException) -> str:
    """Where an error was raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    line = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else ""
    return f"{type(error).__name__} {line}"


def _due(what: str) -> bool:
    """Whether this may be said now. Places are lines of code: there are only so many."""
    now_s = asyncio.get_running_loop().time()
    if now_s < _said.get(what, 0.0):
        return False
    _said[what] = now_s + SAID_EVERY_S
    return True


_said: dict[str, float] = {}
_thrown = Pace(THROWN_BYTES_PER_S)


def _unread(transport: asyncio.Transport) -> bool:
    """Whether bytes of the client have come that this process has not read yet."""
    line = transport.get_extra_info("socket")
    if line is None or line.fileno() < 0:
        return False
    waiting = select.poll()
    waiting.register(line.fileno(), select.POLLIN)
    return bool(waiting.poll(0))


def _make_room() -> None:
    """End the oldest of those that wait, where there are too many."""
    now_s = time.monotonic()
    while len(_unknown) > UNKNOWN_HARD:
        next(iter(_unknown)).give_way()
    while len(_unknown) > UNKNOWN_MAX:
        oldest = next(iter(_unknown))
        if now_s - oldest.waits_since_s < GRACE_S:
            return
        if not oldest.excused():
            oldest.give_way()


# All connections of this process that wait for a head of nobody known, oldest first.
_unknown: OrderedDict[BoundedProtocol, None] = OrderedDict()
