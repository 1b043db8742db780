"""One connection to a provider, for one exchange after another.

Not here: who may use it next (`pool`), what an answer is (`answer`).
"""

import asyncio
import select
from collections.abc import Callable
from typing import cast

from holdfast.backends.anthropic.answer import HttpAnswer

# A large body goes in pieces, so that others get their turn while it is sent.
_PIECE_BYTES = 128 * 1024
_REFUSAL = 300
# A refusal may come before the body was read; so much of one is read with the head.
_READ_SURELY_BYTES = 16 * 1024


class Connection(asyncio.Protocol):
    """A connection; `idle` is told when the next exchange may begin on it, `gone` when none will.

    `used`: an exchange was completed on it.
    """

    def __init__(
        self, idle: Callable[["Connection"], None], gone: Callable[["Connection"], None]
    ) -> None:
        self._idle = idle
        self._gone = gone
        self._transport: asyncio.Transport | None = None
        self._answer: HttpAnswer | None = None
        self._sending = False
        self._body_bytes = 0
        self._writable: asyncio.Event | None = None
        self._reads = True
        self.used = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It stands."""
        # uvloop's transports are none of asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Bytes of the answer; where none is waited for, nothing here can be trusted."""
        answer = self._answer
        if answer is None:
            self.abort()
            return
        answer.received(data)
        if self._writable is not None and answer.status >= _REFUSAL:
            self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over, by whomever."""
        self._transport = None
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.ended(orderly=exc is None)
        self.resume_writing()
        self._gone(self)

    def pause_writing(self) -> None:
        """The provider does not take the request as fast as it is sent."""
        self._writable = self._writable or asyncio.Event()
        self._writable.clear()

    def resume_writing(self) -> None:
        """It does."""
        if self._writable is not None:
            self._writable.set()

    @property
    def fit(self) -> bool:
        """Whether an exchange may begin: it stands, and nothing came that nobody asked for.

        Bytes that lie unread would be taken for the next answer; the end of the connection is
        readable, too.
        """
        if self._transport is None or self._transport.is_closing() or self._answer is not None:
            return False
        line = self._transport.get_extra_info("socket")
        if line is None or line.fileno() < 0:
            return False
        waiting = select.poll()
        waiting.register(line.fileno(), select.POLLIN)
        return not waiting.poll(0)

    async def begin(
        self, head: bytes, body: bytes | memoryview, silence_s: float | None
    ) -> HttpAnswer:
        """Send one request; its answer, begun or failed. Whoever gets it closes it."""
        answer = self._answer = HttpAnswer(self, silence_s)
        self._body_bytes = len(body)
        try:
            await self._send(answer, head, body)
            answer.asked()
            await answer.begun()
        except BaseException:
            answer.close()
            raise
        return answer

    async def _send(self, answer: HttpAnswer, head: bytes, body: bytes | memoryview) -> None:
        transport = self._transport
        if transport is None:
            answer.ended(orderly=False)
        elif len(body) <= _PIECE_BYTES:
            transport.write(head + bytes(body))
        else:
            self._sending = True
            transport.write(head)
            await self._send_pieces(transport, answer, memoryview(body))

    async def _send_pieces(
        self, transport: asyncio.Transport, answer: HttpAnswer, body: memoryview
    ) -> None:
        for start in range(0, len(body), _PIECE_BYTES):
            if self._answer is not answer or answer.status >= _REFUSAL:
                # It was refused without having been read: this connection cannot be used again.
                return
            transport.write(bytes(body[start : start + _PIECE_BYTES]))
            if self._writable is not None:
                await self._writable.wait()
            await asyncio.sleep(0)
        self._sending = False

    def pause(self) -> None:
        """See `answer.Line`."""
        if self._transport is not None and self._reads:
            self._reads = False
            self._transport.pause_reading()

    def resume(self) -> None:
        """See `answer.Line`."""
        if self._transport is not None and not self._reads:
            self._reads = True
            self._transport.resume_reading()

    def over(self, *, reusable: bool) -> None:
        """See `answer.Line`."""
        answer, self._answer = self._answer, None
        if reusable and answer is not None and self._was_read(answer.status):
            self.resume()
            self.used = True
            self._idle(self)
        else:
            self.abort()

    def _was_read(self, status: int) -> bool:
        """Whether nothing of the request is left, which would be the beginning of the next one."""
        if self._sending or self._transport is None or self._transport.get_write_buffer_size():
            return False
        return status < _REFUSAL or self._body_bytes <= _READ_SURELY_BYTES

    def abort(self) -> None:
        """Close it at once; idempotent."""
        if self._transport is not None:
            self._transport.abort()
