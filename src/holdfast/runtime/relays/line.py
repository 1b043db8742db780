"""A relay's line to the server that owns the budgets: calls over it, cuts from it, its loss.

While the server is away everything open is cut and everything new is refused; once it is back, so
is the line. Whatever was open when it broke stays over: the server has settled it in full.
"""

import asyncio
import contextlib
from typing import Any, Protocol

import msgspec

from holdfast.errors import Unavailable
from holdfast.runtime.relays.wire import (
    SILENCE_S,
    Cuts,
    Hello,
    Left,
    Listening,
    Running,
    Welcome,
    decoded,
    encoded,
)

AWAY = "unavailable: the server that owns the budgets is away"
_AGAIN_S = 0.1
_WAIT_S = 3_600.0


class Frames(Protocol):
    """What carries the words; see `backends/frames/client`."""

    async def call(self, method: str, body: bytes, timeout_s: float) -> bytes:
        """Ask once. Errors: Unavailable; TooLarge."""
        ...

    def tell(self, method: str, body: bytes) -> "asyncio.Future[bytes]":
        """Write at once, in the order of the calls; await it for the answer, or do not.

        Errors: Unavailable, at once or when it is awaited.
        """
        ...


class Open(Protocol):
    """A call that can be ended from the other side."""

    def cut(self, reason: str, *, stopped: bool) -> None:
        """End it now; `stopped`: nothing of it may be shown any more."""
        ...

    def running(self) -> Running | None:
        """What it used so far, where it used more since it was last asked."""
        ...


class Line:
    """One relay's line. `server` is the name that the server gave to the relays it started."""

    def __init__(self, frames: Frames, *, server: str, pid: int) -> None:
        self._frames = frames
        self._hello = Hello(server=server, pid=pid)
        self._open: dict[int, Open] = {}
        self._next = 0
        self._heard_s = 0.0
        self.up = False
        self.turn = 0
        """Counts the losses: a call begun in another turn is over."""

    def holds(self, turn: int) -> bool:
        """Whether what began in this turn may go on: the server is there and was heard of late."""
        late = asyncio.get_running_loop().time() - self._heard_s > SILENCE_S
        return self.up and turn == self.turn and not late

    def begin(self, call: Open) -> int:
        """A number for one more call, whom the server's cuts reach from now on.

        Errors: Unavailable while the server is away.
        """
        if not self.holds(self.turn):
            raise away()
        self._next += 1
        self._open[self._next] = call
        return self._next

    def end(self, number: int) -> None:
        """The call is over; idempotent."""
        self._open.pop(number, None)

    async def ask(self, method: str, said: msgspec.Struct | bytes, kind: Any) -> Any:
        """One question, however long its answer takes; the answer is of `kind`.

        Errors: Unavailable; TooLarge.
        """
        if not self.up:
            raise away()
        body = said if isinstance(said, bytes) else encoded(said)
        try:
            return decoded(await self._frames.call(method, body, _WAIT_S), kind)
        except Unavailable as error:
            # What the server says of a call that it does not know helps no client either.
            raise away() from error

    def tell(self, method: str, said: msgspec.Struct) -> "asyncio.Future[bytes]":
        """One statement, in the order of the calls. Errors: Unavailable, also when awaited."""
        if not self.up:
            raise away()
        return self._frames.tell(method, encoded(said))

    def mention(self, method: str, said: msgspec.Struct) -> None:
        """One statement that nothing hangs on: lost where the server is away."""
        if self.up:
            with contextlib.suppress(Unavailable):
                _ = self._frames.tell(method, encoded(said))

    async def keep(self, patience_s: float) -> None:
        """Hold the line, and take it up again after each loss.

        Returns when the server sends us away, or was away for longer than `patience_s`.
        """
        loop = asyncio.get_running_loop()
        seen_s = loop.time()
        while loop.time() - seen_s < patience_s:
            try:
                welcome = decoded(await self._call("hello", self._hello), Welcome)
                if not welcome.known:
                    return
                self.up = True
                while True:
                    seen_s = loop.time()
                    self._cut(decoded(await self._call("cuts", self._listening()), Cuts))
            except Unavailable:
                self.lose()
            await asyncio.sleep(_AGAIN_S)

    def _listening(self) -> Listening:
        told = (call.running() for call in self._open.values())
        return Listening(running=tuple(one for one in told if one is not None))

    async def _call(self, method: str, said: msgspec.Struct) -> bytes:
        asked_s = asyncio.get_running_loop().time()
        body = await self._frames.call(method, encoded(said), SILENCE_S)
        # An answer shows only that the server was there when it was asked: this process may have
        # stood still since.
        self._heard_s = asked_s
        return body

    def _cut(self, told: Cuts) -> None:
        for cut in told.cuts:
            call = self._open.get(cut.call)
            if call is not None:
                call.cut(cut.reason, stopped=cut.stopped)

    def lose(self) -> None:
        """The server is gone: everything open ends; idempotent."""
        self.up = False
        self.turn += 1
        self.cut_all(AWAY, stopped=True)
        self._open.clear()

    def cut_all(self, reason: str, *, stopped: bool) -> None:
        """End everything open."""
        for call in list(self._open.values()):
            call.cut(reason, stopped=stopped)

    async def flush(self, timeout_s: float) -> None:
        """Wait until all that was told is known to the server, or it cannot be reached."""
        if self.up:
            with contextlib.suppress(Unavailable):
                await self._frames.call("left", encoded(Left(call=0)), timeout_s)


def away() -> Unavailable:
    """The refusal of a relay without its server."""
    return Unavailable(AWAY.removeprefix("unavailable: ") + "; nothing was sent", retry_after_s=1)
