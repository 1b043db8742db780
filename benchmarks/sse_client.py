"""A client that costs little: one kept connection, one request at a time, times of what arrives.

Plain HTTP/1.1 on an `asyncio.Protocol`. It looks for the end of a chunked body, or counts a
content length, and never parses events: the machine's cores belong to what is measured.
"""

import asyncio
import time
from typing import Self, cast

import msgspec

_END = b"\r\n0\r\n\r\n"
_DELTA = b"event: content_block_delta"


class Timing(msgspec.Struct):
    """One answer. Times are `perf_counter` seconds.

    `arrivals`, only if asked for: when a piece came, and how many deltas began in it.
    """

    status: int
    sent_s: float
    first_s: float
    last_s: float
    size_bytes: int
    whole: bool
    body: bytes = b""
    arrivals: list[tuple[float, int]] = msgspec.field(default_factory=list)


class Connection(asyncio.Protocol):
    """One connection to a server."""

    def __init__(self, *, arrivals: bool = False, keep_body: bool = False) -> None:
        self._arrivals = arrivals
        self._keep_body = keep_body
        self._transport: asyncio.Transport | None = None
        self._done: asyncio.Future[Timing] | None = None
        self._timing = Timing(0, 0.0, 0.0, 0.0, 0, whole=False)
        self._head = bytearray()
        self._in_body = False
        self._length = -1
        self._tail = b""
        self._body = bytearray()

    @classmethod
    async def open(cls, url: str, *, arrivals: bool = False, keep_body: bool = False) -> Self:
        """Connect to `http://host:port`."""
        host, _, port = url.removeprefix("http://").partition(":")
        loop = asyncio.get_running_loop()
        _, made = await loop.create_connection(
            lambda: cls(arrivals=arrivals, keep_body=keep_body), host, int(port)
        )
        return made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready to send."""
        # uvloop's transports are none of asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)

    def ask(self, request: bytes) -> asyncio.Future[Timing]:
        """Send one whole request; done when its answer has ended, or the connection has."""
        if self._transport is None:
            raise ConnectionResetError("the connection is closed")
        self._head.clear()
        self._body = bytearray()
        self._in_body, self._length, self._tail = False, -1, b""
        now = time.perf_counter()
        self._timing = Timing(0, now, 0.0, 0.0, 0, whole=False)
        self._done = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._done

    @property
    def first_s(self) -> float:
        """When the first byte of the present answer's body came; 0 before that."""
        return self._timing.first_s

    @property
    def size_bytes(self) -> int:
        """Bytes of the present answer's body so far."""
        return self._timing.size_bytes

    @property
    def ended(self) -> bool:
        """Whether the present answer has ended, or the connection has."""
        return self._done is not None and self._done.done()

    def data_received(self, data: bytes) -> None:
        """Note when it came; see whether it is the end."""
        timing, now = self._timing, time.perf_counter()
        if not self._in_body:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(self._head[:end]).lower()
            timing.status = int(head[9:12])
            at = head.find(b"content-length:")
            if at >= 0:
                self._length = int(head[at + 15 :].partition(b"\r\n")[0])
            data = bytes(self._head[end + 4 :])
            self._in_body = True
            if not data and self._length != 0:
                return
        if not timing.first_s:
            timing.first_s = now
        timing.last_s = now
        timing.size_bytes += len(data)
        if self._arrivals:
            timing.arrivals.append((now, data.count(_DELTA)))
        if self._keep_body:
            self._body += data
        if self._length >= 0:
            if timing.size_bytes >= self._length:
                self._finish(whole=True)
            return
        # The mark of the last chunk may come in two pieces, or alone with an empty body.
        seen = self._tail + data[-len(_END) :] if len(data) < len(_END) else data[-len(_END) :]
        self._tail = seen[-len(_END) :]
        if seen.endswith(_END):
            self._finish(whole=True)

    def connection_lost(self, exc: Exception | None) -> None:
        """What came until now is all there is."""
        self._transport = None
        self._finish(whole=False)

    def _finish(self, *, whole: bool) -> None:
        if self._done is not None and not self._done.done():
            self._timing.whole = whole
            self._timing.last_s = time.perf_counter()
            self._timing.body = bytes(self._body)
            self._done.set_result(self._timing)

    def close(self) -> None:
        """Leave."""
        if self._transport is not None:
            self._transport.close()


def post(path: str, body: bytes, token: str) -> bytes:
    """The bytes of one JSON `POST`."""
    head = (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\n"
        f"anthropic-version: 2023-06-01\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
