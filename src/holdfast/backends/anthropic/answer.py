"""One answer of a provider as it arrives: what waits to be read, who waits for it, and until when.

A piece goes straight to whoever takes it (`taking`), in the call that received it, while they have
read all that came before; what nobody takes waits, and where much waits the connection is not read.

Not here: framing (`framing`), sockets (`connection`).
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from holdfast.backends.anthropic.framing import Framing
from holdfast.errors import UpstreamUnavailable
from holdfast.ports.llm import Reader, Take, whole

WAITING_BYTES_MAX = 256 * 1024
BROKE = "the provider broke off its answer"
LATE = "the provider did not answer in time"


class Line(Protocol):
    """The connection that an answer comes by."""

    def pause(self) -> None:
        """Read nothing more for now; idempotent."""
        ...

    def resume(self) -> None:
        """Read on; idempotent."""
        ...

    def over(self, *, reusable: bool) -> None:
        """The answer is whole, or nobody wants the rest; idempotent."""
        ...


class HttpAnswer:
    """One open answer of the provider. `silence_s` bounds how long nothing may come of it.

    `status` is 0 before there is one, header names are in lower case. `failed` says why the rest
    will not come, once that is so.
    """

    def __init__(self, line: Line, silence_s: float | None) -> None:
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self._line: Line | None = line
        self._framing = Framing()
        self._reader: Reader | None = None
        self._loop = asyncio.get_running_loop()
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._waiter: asyncio.Future[None] | None = None
        self._take: Take | None = None
        self._offered = False
        self.failed = ""
        self._fault: Exception | None = None
        self._silence_s = silence_s
        self._heard, self._heard_s = False, 0.0
        self._paused = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def untouched(self) -> bool:
        """Whether not one byte of it came before the connection broke."""
        return self.failed == BROKE and not self._heard

    def asked(self) -> None:
        """The request is out: from now on the provider may be silent for so long."""
        self._heard_s = self._loop.time()
        if self._silence_s is not None and self._line is not None:
            self._timer = self._loop.call_later(self._silence_s, self._silent)

    async def begun(self) -> None:
        """Wait for its status and headers, or until it `failed`."""
        while not self._framing.headed and not self.failed:
            await self._wait()

    def read_by(self, reader: Reader) -> None:
        """From the first byte of the body on, what `reader` makes of it is the answer's body."""
        self._reader, self.headers = reader, reader.headers
        held, self._waiting, self._waiting_bytes = self._waiting, [], 0
        for piece in held:
            self._arrived(piece)
        if self._paused and self._waiting_bytes < WAITING_BYTES_MAX:
            self._resume()
        if self._framing.complete:
            self._last()

    def taking(self, take: Take | None) -> None:
        """See `UpstreamAnswer`."""
        self._take = take

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives, but for what was taken straight."""
        while True:
            while self._waiting:
                yield self._next()
            if self._fault is not None:
                raise self._fault
            if self.failed:
                # A new one each time: an error that is kept holds the frames that it went through.
                raise UpstreamUnavailable(self.failed)
            if self._framing.complete:
                return
            await self._wait()

    def _next(self) -> bytes:
        """All that waits; but a piece that was offered comes as it was offered."""
        held, alone = self._waiting, self._offered
        self._waiting, self._offered = held[1:] if alone else [], False
        piece = held[0] if alone or len(held) == 1 else b"".join(held)
        self._waiting_bytes -= len(piece)
        if self._paused and self._waiting_bytes < WAITING_BYTES_MAX:
            self._resume()
        return piece

    async def read(self, limit_bytes: int) -> bytes:
        """The whole body."""
        return await whole(self, limit_bytes)

    def close(self) -> None:
        """Close the connection at once, unless the body came to its end."""
        if self._waiting or not self._framing.complete:
            self._waiting, self._waiting_bytes = [], 0
            self.fail(BROKE)
        self._take = None

    def received(self, data: bytes) -> None:
        """Bytes of the connection."""
        self._heard, self._heard_s = True, self._loop.time()
        framing = self._framing
        headed = framing.headed
        piece = framing.feed(data)
        if framing.headed and not headed:
            self.status, self.headers = framing.status, framing.headers
        if piece:
            self._arrived(piece)
        if framing.complete or framing.broken:
            self._came_to_its_end()
        elif framing.headed and not headed:
            self._wake()

    def ended(self, *, orderly: bool) -> None:
        """The connection has ended, in order or not."""
        if orderly:
            self._framing.end()
        else:
            self._framing.broken = not self._framing.complete
        self._came_to_its_end()

    def fail(self, sentence: str) -> None:
        """Nothing more is wanted, or nothing more can come: the first reason counts."""
        self.failed = self.failed or sentence
        self._framing.drop()
        self._let_go(reusable=False)

    def _came_to_its_end(self) -> None:
        if self._framing.broken:
            self.fail(BROKE)
            return
        if self._reader is not None:
            self._last()
        self._let_go(reusable=self._framing.reusable)

    def _arrived(self, piece: bytes) -> None:
        """A piece of the body: taken straight, or kept until it is asked for."""
        try:
            if self._reader is not None:
                piece = self._reader.feed(piece)
                if not piece:
                    return
            if self._take is not None and self._waiter is not None:
                if self._take(piece):
                    return
                self._offered = True
        except Exception as error:  # noqa: BLE001 - raised again in whoever reads
            self._spoilt(error)
            return
        self._waiting.append(piece)
        self._waiting_bytes += len(piece)
        if self._waiting_bytes > WAITING_BYTES_MAX and self._line is not None:
            self._paused = True
            self._line.pause()
        self._wake()

    def _last(self) -> None:
        """What a reader makes of the end."""
        try:
            rest = self._reader.end() if self._reader is not None else b""
        except UpstreamUnavailable as error:
            self._spoilt(error)
            return
        if rest:
            self._waiting.append(rest)

    def _spoilt(self, error: Exception) -> None:
        self._fault = self._fault or error
        self.fail(BROKE)

    def _resume(self) -> None:
        self._paused, self._heard_s = False, self._loop.time()
        if self._line is not None:
            self._line.resume()

    def _let_go(self, *, reusable: bool) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        line, self._line = self._line, None
        if line is not None:
            line.over(reusable=reusable)
        self._wake()

    def _silent(self) -> None:
        """Give up, unless something came meanwhile, or it is we who do not read."""
        if self._silence_s is None:
            return
        now_s = self._loop.time()
        left_s = self._silence_s if self._paused else self._heard_s + self._silence_s - now_s
        if left_s > 0:
            self._timer = self._loop.call_later(left_s, self._silent)
        else:
            self.fail(LATE)

    async def _wait(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
