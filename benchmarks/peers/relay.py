"""A bare metered relay: what a stream costs on this loop and this parser, with nothing governed.

`asyncio.Protocol` and httptools on both sides. It knows one token, puts its own key in, hands
whole events on in the call that received them, counts the usage that they report, stops reading
where its client does, and closes the provider's connection when the client leaves. No bounds, no
time-outs, no other method, no journal: it is a yardstick, not a gateway.

Run: `python -m benchmarks.peers.relay HOST:PORT`; the first line says where it listens.
"""

import asyncio
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import httptools
import msgspec
import uvloop

from benchmarks.processes import Child, python

TOKEN = "relay-token"
_KEY = b"sk-ant-benchmark"
_UNKNOWN = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)


@contextlib.contextmanager
def serving(folder: Path, upstream_url: str) -> Iterator[tuple[str, int]]:
    """Address and process id of a relay in front of `upstream_url`. Errors: Unavailable."""
    command = python("-m", "benchmarks.peers.relay", upstream_url.removeprefix("http://"))
    with Child(command, log=folder / "relay.log", piped=True) as child:
        yield child.line().strip(), child.pid


class _Usage(msgspec.Struct):
    input_tokens: int = 0
    output_tokens: int = 0


class _Message(msgspec.Struct):
    usage: _Usage | None = None


class _Event(msgspec.Struct):
    message: _Message | None = None
    usage: _Usage | None = None


_EVENT = msgspec.json.Decoder(_Event)


class _Meter:
    """Frames events on blank lines; reads usage where an event has some."""

    def __init__(self) -> None:
        self.input_tokens = self.output_tokens = self.text_bytes = 0
        self._carry = b""

    def feed(self, chunk: bytes) -> bytes:
        """Whole events, as they came."""
        buffer = self._carry + chunk if self._carry else chunk
        end = buffer.rfind(b"\n\n") + 2
        if end == 1:
            self._carry = buffer
            return b""
        whole, self._carry = buffer[:end], buffer[end:]
        for event in whole.split(b"\n\n"):
            if event.startswith((b"event: message_start", b"event: message_delta")):
                self._count(event.partition(b"\ndata: ")[2])
            else:
                self.text_bytes += len(event)
        return whole

    def _count(self, data: bytes) -> None:
        event = _EVENT.decode(data)
        usage = event.usage or (event.message.usage if event.message else None)
        if usage is not None:
            self.input_tokens = max(self.input_tokens, usage.input_tokens)
            self.output_tokens = max(self.output_tokens, usage.output_tokens)


class _Back(asyncio.Protocol):
    """A connection to the provider."""

    def __init__(self, relay: "_Relay") -> None:
        self._relay = relay
        self._front: _Front | None = None
        self._parts: list[bytes] = []
        self._over = False
        self._meter = _Meter()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self._relay.forget(self)
        if self._front is not None:
            self._front.close()

    def ask(self, front: "_Front", request: bytes) -> None:
        """Send it; what is answered goes to `front`."""
        self._front, self._over, self._meter = front, False, _Meter()
        self._parser = httptools.HttpResponseParser(self)
        if self.transport is not None:
            self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)
        front = self._front
        if front is None:
            return
        if self._parts:
            chunk = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
            self._parts.clear()
            if whole := self._meter.feed(chunk):
                front.write(b"%x\r\n%b\r\n" % (len(whole), whole))
        if self._over:
            self._front = None
            self._relay.metered(self._meter)
            self._relay.idle.append(self)
            front.answered()

    def on_headers_complete(self) -> None:
        if self._front is not None:
            self._front.write(_HEAD)

    def on_body(self, body: bytes) -> None:
        self._parts.append(body)

    def on_message_complete(self) -> None:
        self._over = True

    def leave(self) -> None:
        """Nobody reads any more: nobody pays."""
        self._front = None
        if self.transport is not None:
            self.transport.abort()


class _Front(asyncio.Protocol):
    """A client's connection."""

    def __init__(self, relay: "_Relay") -> None:
        self._relay = relay
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._back: _Back | None = None
        self._url = self._body = b""
        self._known = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._back is not None:
            self._back.leave()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._url = self._body = b""
        self._known = False

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._known = self._known or (
            name.lower() == b"authorization" and value == b"Bearer " + TOKEN.encode()
        )

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        if not self._known:
            self.write(_UNKNOWN)
            self.close()
            return
        request = (
            b"POST %b HTTP/1.1\r\nhost: provider\r\nx-api-key: %b\r\n"
            b"anthropic-version: 2023-06-01\r\ncontent-type: application/json\r\n"
            b"content-length: %d\r\n\r\n%b" % (self._url, _KEY, len(self._body), self._body)
        )
        self._relay.send(self, request)

    def carried_by(self, back: _Back) -> None:
        """This connection of the provider answers."""
        self._back = back

    def pause_writing(self) -> None:
        if self._back is not None and self._back.transport is not None:
            self._back.transport.pause_reading()

    def resume_writing(self) -> None:
        if self._back is not None and self._back.transport is not None:
            self._back.transport.resume_reading()

    def write(self, data: bytes) -> None:
        """To the client, if it is still there."""
        if self._transport is not None:
            self._transport.write(data)

    def answered(self) -> None:
        """The whole answer is on its way."""
        self.resume_writing()
        self._back = None
        self.write(b"0\r\n\r\n")

    def close(self) -> None:
        """End it."""
        if self._transport is not None:
            self._transport.close()


class _Relay:
    """Clients on one side, kept connections to the provider on the other."""

    def __init__(self, upstream: str) -> None:
        self._host, _, self._port = upstream.partition(":")
        self.idle: list[_Back] = []
        self._opening: set[asyncio.Task[None]] = set()
        self.input_tokens = self.output_tokens = 0

    def send(self, front: _Front, request: bytes) -> None:
        """By a kept connection, or a new one."""
        if self.idle:
            back = self.idle.pop()
            front.carried_by(back)
            back.ask(front, request)
            return
        task = asyncio.create_task(self._open(front, request))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _open(self, front: _Front, request: bytes) -> None:
        loop = asyncio.get_running_loop()
        _, back = await loop.create_connection(lambda: _Back(self), self._host, int(self._port))
        front.carried_by(back)
        back.ask(front, request)

    def forget(self, back: _Back) -> None:
        """It is closed."""
        if back in self.idle:
            self.idle.remove(back)

    def metered(self, meter: _Meter) -> None:
        """What one more answer used."""
        self.input_tokens += meter.input_tokens
        self.output_tokens += meter.output_tokens


async def _serve(upstream: str) -> None:
    relay = _Relay(upstream)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Front(relay), "127.0.0.1", 0, backlog=2048)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(sys.argv[1]))
