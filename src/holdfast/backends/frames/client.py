"""The asking side: one connection, opened on the first call and again after it broke.

Every failure is `Unavailable` in one sentence, with the fault's `fault` code in `fields` where
the other side named one. A call is sent once: nothing here retries.
"""

import asyncio
from pathlib import Path

import msgspec

from holdfast.backends.frames.wire import (
    MAX_FRAME_BYTES,
    FrameBuffer,
    FrameTooLarge,
    Reply,
    Request,
    framed,
)
from holdfast.errors import TooLarge, Unavailable

# Turns of the loop after the deadline in which it reads what had come before.
_LOOKS = 2
# So much is not kept until the end of a turn.
_AT_ONCE_BYTES = 16 * 1024


class FrameClient:
    """Calls over one Unix socket; belongs to one event loop.

    Past `backlog_bytes` unread by the other side (0: some 64 KiB), further calls are refused.
    """

    def __init__(
        self, path: Path, *, max_frame_bytes: int = MAX_FRAME_BYTES, backlog_bytes: int = 0
    ) -> None:
        self._path = path
        self._max_frame_bytes = max_frame_bytes
        self._backlog_bytes = backlog_bytes
        self._link: _Link | None = None
        self._dialling: asyncio.Lock | None = None
        self._closed = False

    async def call(self, method: str, body: bytes, timeout_s: float) -> bytes:
        """Ask once and wait at most `timeout_s`, connecting included.

        Errors: Unavailable on any fault of either side; TooLarge when the body does not fit a
        frame.
        """
        if self._closed:
            raise Unavailable("the connection was closed")
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        link = self._link
        if link is None or not link.alive:
            try:
                async with asyncio.timeout_at(deadline):
                    link = await self._connected()
            except TimeoutError:
                raise _late(timeout_s) from None
        call_id, answer = link.send(method, body)
        timer = loop.call_at(deadline, _ring, answer, timeout_s)
        try:
            return _body(await answer)
        finally:
            timer.cancel()
            link.forget(call_id)

    def tell(self, method: str, body: bytes) -> "asyncio.Future[bytes]":
        """Write at once on the open connection, in the order of the calls, however full it is.

        Nobody has to await the answer. Errors: Unavailable without a connection; as `call` when
        it is awaited; TooLarge.
        """
        if self._link is None:
            raise Unavailable("there is no connection")
        _, answer = self._link.send(method, body, even_if_full=True)
        heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        answer.add_done_callback(lambda reply: _pass_on(reply, heard))
        return heard

    async def close(self) -> None:
        """Drop the connection; calls in flight fail; idempotent."""
        self._closed = True
        if self._link is not None:
            self._link.drop("the connection was closed")
            await self._link.gone.wait()

    async def _connected(self) -> "_Link":
        link = self._link
        if link is not None and link.alive:
            return link
        if self._dialling is None:
            self._dialling = asyncio.Lock()
        async with self._dialling:
            if self._link is not None and self._link.alive:
                return self._link
            loop = asyncio.get_running_loop()
            try:
                _, link = await loop.create_unix_connection(
                    lambda: _Link(self._max_frame_bytes, self._backlog_bytes), str(self._path)
                )
            except OSError as fault:
                raise Unavailable("nobody answers on the socket") from fault
            self._link = link
            if self._closed:
                link.drop("the connection was closed")
            return link


def _body(reply: Reply) -> bytes:
    """What an answer holds. Errors: Unavailable for a fault."""
    if reply.code:
        raise Unavailable(reply.body.decode(errors="replace"), fault=reply.code)
    return reply.body


def _pass_on(answer: "asyncio.Future[Reply]", heard: "asyncio.Future[bytes]") -> None:
    if heard.done():
        return
    try:
        heard.set_result(_body(answer.result()))
    except Unavailable as fault:
        heard.set_exception(fault)
        # Looked at, so that nobody is told of a fault that nobody waits for.
        heard.exception()


def _ring(answer: "asyncio.Future[Reply]", timeout_s: float, looks: int = _LOOKS) -> None:
    """Nobody waits any longer, unless a loop that ran late finds the answer when it looks again.

    A loop that was busy past the deadline may ring the timer before it reads what has long
    come: the other side was in time, and our own lateness is no reason to refuse.
    """
    if answer.done():
        return
    if looks:
        asyncio.get_running_loop().call_soon(_ring, answer, timeout_s, looks - 1)
    else:
        answer.set_exception(_late(timeout_s))


def _late(timeout_s: float) -> Unavailable:
    return Unavailable(f"no answer within {timeout_s:g} s")


class _Link(asyncio.Protocol):
    """One open connection and the calls waiting on it."""

    def __init__(self, max_frame_bytes: int, backlog_bytes: int) -> None:
        self.alive = False
        self._backlog_bytes = backlog_bytes
        self.gone = asyncio.Event()
        self._max_frame_bytes = max_frame_bytes
        self._buffer = FrameBuffer(max_frame_bytes)
        self._decoder = msgspec.msgpack.Decoder(Reply)
        self._waiting: dict[int, asyncio.Future[Reply]] = {}
        self._next_id = 0
        self._unwritable = False
        self._transport: asyncio.Transport | None = None
        self._unsent = bytearray()

    def send(
        self, method: str, body: bytes, *, even_if_full: bool = False
    ) -> tuple[int, asyncio.Future[Reply]]:
        """Write one request by the end of this turn of the loop; its id, and the reply to come.

        Those of one turn are one write, and one read for the other side. `even_if_full`: at once.
        """
        if self._transport is None or not self.alive:
            raise Unavailable("the connection broke")
        if self._unwritable and not even_if_full:
            raise Unavailable("the other side does not read")
        call_id = self._next_id
        try:
            frame = framed(Request(call_id, method, body), self._max_frame_bytes)
        except FrameTooLarge as fault:
            raise TooLarge(str(fault)) from None
        self._next_id += 1
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[call_id] = answer
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._flush)
        self._unsent += frame
        if even_if_full or len(self._unsent) > _AT_ONCE_BYTES:
            self._flush()
        return call_id, answer

    def _flush(self) -> None:
        if self._unsent and self._transport is not None:
            frames, self._unsent = self._unsent, bytearray()
            self._transport.write(frames)

    def forget(self, call_id: int) -> None:
        """A late reply to this call is ignored."""
        self._waiting.pop(call_id, None)

    def drop(self, why: str) -> None:
        """Close at once and fail everything that waits."""
        self.alive = False
        if self._transport is not None:
            self._transport.abort()
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(Unavailable(why))
        self._waiting.clear()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self.alive = True
        if self._backlog_bytes and self._transport is not None:
            self._transport.set_write_buffer_limits(high=self._backlog_bytes)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self.drop("the connection broke")
        self.gone.set()

    def pause_writing(self) -> None:
        self._unwritable = True

    def resume_writing(self) -> None:
        self._unwritable = False

    def data_received(self, data: bytes) -> None:
        try:
            replies = [self._decoder.decode(payload) for payload in self._buffer.feed(data)]
        except (FrameTooLarge, msgspec.DecodeError, RecursionError):
            self.drop("the other side broke the protocol")
            return
        for reply in replies:
            answer = self._waiting.pop(reply.id, None)
            if answer is not None and not answer.done():
                answer.set_result(reply)
