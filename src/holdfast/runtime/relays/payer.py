"""One call as a relay has it: the server pays; the relay says what came of it, and obeys cuts."""

import asyncio
from collections.abc import Callable, Iterable

from holdfast.core.cover import Cover
from holdfast.core.endings import ABANDONED, Ending
from holdfast.core.metering import Metering
from holdfast.core.stream import EmittedCall, Reading
from holdfast.errors import DeadlineExceeded, HoldfastError, SessionStopped, Unavailable
from holdfast.runtime.doors import Asker
from holdfast.runtime.live import Cut
from holdfast.runtime.relays.line import AWAY, Line, away
from holdfast.runtime.relays.wire import (
    SILENCE_S,
    Came,
    Confirmed,
    Emitted,
    Extend,
    Extended,
    Left,
    Running,
    Send,
    Settle,
    Torn,
    WasCut,
    wrote,
)

_GONE = "unavailable: "
_Told = Came | Confirmed | Emitted | Torn | WasCut | Settle | Left


class RelayedCall:
    """A `runtime/answers.Payer`, and a call to be taken on, whose purse is in another process.

    Made before the call is asked for, so that a cut finds it; `pay` tells it what was held.
    """

    def __init__(self, line: Line) -> None:
        self._line = line
        self._turn = line.turn
        self.number = line.begin(self)
        self._send: Send | None = None
        self.cover = Cover(held_tokens=0, in_flight_tokens=0, most_tokens=0)
        self._ends_s = 0.0
        self._metering: Metering | None = None
        self._told_bytes = -1
        self._cut: Cut | None = None
        self._cut_because = ""
        self._stopped = False
        self._open = True
        self._settled = False
        self._told: list[asyncio.Future[bytes]] = []
        # Who wants to know how the answer ends.
        self.watch: Callable[[Ending], None] | None = None
        # What went wrong since the server last said where to go, and how much of it counts.
        self.tried: list[str] = []
        self.again_most: int | None = None
        self.failures = 0
        self.asker = Asker()

    def pay(self, send: Send) -> None:
        """The server holds money for it."""
        self._send = send
        self.tried, self.failures = [], 0
        self.again_most = send.again_most
        self.asker = Asker(send.session, send.user)
        self._ends_s = asyncio.get_running_loop().time() + send.seconds_left
        self.cover = Cover(
            held_tokens=send.held_tokens,
            in_flight_tokens=send.in_flight_tokens,
            most_tokens=send.most_tokens,
        )

    def failed(self, now_ns: int) -> None:
        """See `runtime/reaching.Trying`."""
        self.failures += 1

    def arrived(self, came: Came) -> None:
        """The provider answers. Errors: Unavailable when the server is gone."""
        self._tell("arrived", came)
        if self.lapsed:
            raise away()

    def cut(self, reason: str, *, stopped: bool) -> None:
        """The server ends it, or is gone; the first reason counts."""
        self._stopped = self._stopped or stopped
        self._cut_because = self._cut_because or reason
        if self._cut is not None:
            self._cut(reason)
        # From here on this loop shows nothing of it, whoever reads and however slowly.
        self._tell("confirmed", Confirmed(call=self.number))

    @property
    def cached_1h(self) -> bool:
        """See `Payer`."""
        return self._send is not None and self._send.cached_1h

    @property
    def timeout_s(self) -> float:
        """See `Payer`."""
        return self._send.timeout_s if self._send is not None else 0.0

    @property
    def stopped(self) -> bool:
        """See `Payer`."""
        return self._stopped or not self._line.holds(self._turn)

    @property
    def lapsed(self) -> str:
        """See `Payer`: a process that stood still must not show what came meanwhile."""
        return "" if self._line.holds(self._turn) else AWAY

    def seconds_left(self) -> float:
        """See `Payer`."""
        return max(self._ends_s - asyncio.get_running_loop().time(), 0.1)

    def metering(self, metering: Metering) -> None:
        """See `Payer`. The line asks about once a second."""
        self._metering = metering

    def running(self) -> Running | None:
        """See `relays/line.Open`."""
        if self._metering is None:
            return None
        usage, output_bytes = self._metering()
        if output_bytes == self._told_bytes:
            return None
        self._told_bytes = output_bytes
        return Running(self.number, usage, output_bytes)

    def opened(self, cut: Cut) -> None:
        """See `Payer`."""
        self._cut = cut
        if self._cut_because:
            cut(self._cut_because)

    def closed(self) -> None:
        """See `Payer`. The server keeps a call within reach of a kill until its client has it."""
        self._cut = None
        if self._settled:
            self._tell("left", Left(call=self.number))
            self._over()

    async def extend(self, more_tokens: int) -> str:
        """See `Payer`."""
        asked = Extend(call=self.number, more_tokens=self.cover.possible(more_tokens))
        try:
            answer: Extended = await self._line.ask("extend", asked, Extended)
        except Unavailable:
            self._stopped = True
            return AWAY
        self.cover.held_tokens = answer.held_tokens
        return answer.reason

    def emitted(self, calls: Iterable[EmittedCall]) -> None:
        """See `Payer`."""
        if told := wrote(calls):
            self._tell("emitted", Emitted(call=self.number, calls=told))

    def void(self, call_id: str) -> None:
        """See `Payer`."""
        self._tell("torn", Torn(call=self.number, call_id=call_id))

    def note_cut(self, reading: Reading, reason: str) -> None:
        """See `Payer`."""
        self._tell("was_cut", WasCut(call=self.number, reading=reading, reason=reason))

    def abandon(self, ended: Ending) -> None:
        """See `Payer`."""
        self.settle(Reading(), ended=ended)

    def settle(self, reading: Reading, *, ended: Ending) -> None:
        """See `Payer`. Where the server is gone, it settles in full by itself."""
        if not self._settled:
            self._settled = True
            self._tell("settle", Settle(call=self.number, reading=reading, ended=ended.words))
            self._watched(ended)

    def leave(self) -> None:
        """Nobody waits for it any more, or it was refused; idempotent."""
        self._tell("left", Left(call=self.number))
        self._watched(ABANDONED)
        self._over()

    def dismiss(self) -> None:
        """Nothing is owed for it; the server has let go of it already."""
        self._watched(ABANDONED)
        self._over()

    def _watched(self, ended: Ending) -> None:
        watch, self.watch = self.watch, None
        if watch is not None:
            watch(ended)

    def _over(self) -> None:
        if self._open:
            self._open = False
            self._line.end(self.number)

    def _tell(self, method: str, said: _Told) -> None:
        if not self._open:
            return
        try:
            self._told.append(self._line.tell(method, said))
        except Unavailable:
            self._stopped = True

    async def caught_up(self) -> str:
        """See `Payer`."""
        told, self._told = self._told, []
        try:
            async with asyncio.timeout(SILENCE_S):
                for one in told:
                    await one
        except (HoldfastError, TimeoutError):
            self._stopped = True
        return AWAY if self._stopped and not self._cut_because else ""

    def refusal(self, reason: str) -> HoldfastError:
        """See `Payer`."""
        if reason == AWAY:
            return away()
        if reason.startswith(_GONE):
            return Unavailable(reason.removeprefix(_GONE))
        return SessionStopped(reason) if self.stopped else DeadlineExceeded(reason)
