"""The server's side: it decides and pays for calls that relays carry, and can cut each of them.

A call runs here through `ModelCalls` as any other; only its way to the provider leads through the
relay. When a relay's line breaks, or it is silent for too long, everything it had open is settled
in full: what it may have used, nobody can say any more.
Not here: sockets (`backends/frames`), the relay's side (`calls`, `payer`).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial

import msgspec

from holdfast.core import endings
from holdfast.core.endings import ABANDONED, LOST, Ending
from holdfast.core.metering import Reading
from holdfast.errors import HoldfastError, InternalError, SessionStopped, Unavailable
from holdfast.model.bodies import UpstreamClosed, UpstreamOpened
from holdfast.model.events import Kind
from holdfast.model.money import Usage
from holdfast.ports.llm import Take, UpstreamAnswer
from holdfast.runtime.carrying import stoppable
from holdfast.runtime.clearing import COUNT, ClientRequest
from holdfast.runtime.doorkeeper import ModelDoorkeeper
from holdfast.runtime.live import Cut, LiveSession
from holdfast.runtime.model_call import ModelCall
from holdfast.runtime.model_calls import ModelCalls
from holdfast.runtime.providers import Provider
from holdfast.runtime.purse import Purse
from holdfast.runtime.reaching import Unreached
from holdfast.runtime.refused import Refused
from holdfast.runtime.relays.tasks import begun
from holdfast.runtime.relays.wire import (
    HEARTBEAT_S,
    OPEN_CALLS_MAX,
    SILENCE_S,
    Answered,
    Call,
    Came,
    Confirmed,
    Count,
    Counted,
    CutCall,
    Cuts,
    Emitted,
    Extend,
    Extended,
    HandOn,
    Hello,
    Left,
    Listening,
    Noted,
    Passed,
    Priced,
    PriceThere,
    Refusal,
    Running,
    Send,
    Settle,
    Torn,
    WasCut,
    Welcome,
    decoded,
    emitted,
    encoded,
)
from holdfast.runtime.services import Services

_CHANGES: Mapping[str, type[UpstreamOpened | UpstreamClosed]] = {
    Kind.UPSTREAM_OPENED: UpstreamOpened,
    Kind.UPSTREAM_CLOSED: UpstreamClosed,
}

Report = Callable[[BaseException], None]
Drop = Callable[[], None]


class RelayDesk:
    """Where relays come to. `server` is the name that this server gave to those it started.

    `changed` is called when a relay has come or gone, `silent` with the process of one that was
    let go because it said nothing.
    """

    def __init__(
        self,
        server: str,
        doorkeeper: ModelDoorkeeper,
        services: Services,
        calls: ModelCalls,
        report: Report,
    ) -> None:
        self.server = server
        self.doorkeeper = doorkeeper
        self.journal = services.journal
        self.clock = services.clock
        self.calls = calls
        self.report = report
        self.changed: Callable[[], None] = lambda: None
        self.silent: Callable[[int], None] = lambda _: None
        self.talks: set[RelayTalk] = set()

    def talk(self, drop: Drop) -> "RelayTalk":
        """One relay's line was opened; `drop` closes it from here."""
        return RelayTalk(self, drop)

    @property
    def pids(self) -> tuple[int, ...]:
        """Processes of the relays that are here."""
        return tuple(sorted(talk.pid for talk in self.talks))

    def tick(self) -> None:
        """About once a second: whoever was silent for too long is let go."""
        for talk in tuple(self.talks):
            talk.tick()


class RelayTalk:
    """One relay's line, from its first word to its end."""

    def __init__(self, desk: RelayDesk, drop: Drop) -> None:
        self.desk = desk
        self.pid = 0
        self._drop = drop
        self._calls: dict[int, CarriedCall] = {}
        self._cuts: list[CutCall] = []
        self._news = asyncio.Event()
        self._silent_ticks = 0
        self._waited: dict[str, Callable[[bytes], Awaitable[bytes]]] = {
            "session": self._session,
            "free": self._free,
            "count": self._count,
            "call": self._call,
            "came": self._came,
            "priced": self._priced,
            "extend": self._extend,
            "cuts": self._next_cuts,
        }
        self._told: dict[str, Callable[[bytes], None]] = {
            "arrived": self._arrived,
            "emitted": self._emitted,
            "torn": self._torn,
            "was_cut": self._was_cut,
            "confirmed": self._confirmed,
            "settle": self._settle,
            "left": self._left,
            "noted": self._noted,
        }

    def handle(self, method: str, body: bytes) -> bytes | Awaitable[bytes]:
        """One frame. What needs no waiting is done before the next frame is read.

        Errors: Unavailable for a word out of place.
        """
        self._silent_ticks = 0
        if method == "hello":
            return self._hello(decoded(body, Hello))
        if not self.pid:
            raise Unavailable("a relay says hello first")
        if (told := self._told.get(method)) is not None:
            told(body)
            return b""
        if (waited := self._waited.get(method)) is not None:
            return waited(body)
        raise Unavailable("the server does not know this word of a relay")

    def gone(self) -> None:
        """The line is closed: what the relay had open is settled in full; idempotent."""
        calls, self._calls = list(self._calls.values()), {}
        for call in calls:
            call.lose()
            call.confirmed()
        if self in self.desk.talks:
            self.desk.talks.remove(self)
            self.desk.changed()

    def tick(self) -> None:
        """Counted in turns, not seconds: where the server stood still, relays are heard first."""
        self._silent_ticks += 1
        if self._silent_ticks * HEARTBEAT_S > SILENCE_S + HEARTBEAT_S:
            self.gone()
            self._drop()
            self.desk.silent(self.pid)

    def cut(self, call: int, reason: str, *, stopped: bool) -> None:
        """Have the relay end one call."""
        self._cuts.append(CutCall(call=call, reason=reason, stopped=stopped))
        self._news.set()

    def end(self) -> tuple[str, ...]:
        """End the relay itself, which did not do as it was told; whose calls ended with it."""
        carried = tuple(sorted({who for c in self._calls.values() if (who := c.session)}))
        self.gone()
        self._drop()
        self.desk.silent(self.pid)
        return carried

    def over(self, call: int) -> None:
        """Nothing more is to come of this call."""
        if (done := self._calls.pop(call, None)) is not None:
            done.confirmed()

    def has(self, call: int) -> bool:
        """Whether something is still to come of it."""
        return call in self._calls

    def _hello(self, hello: Hello) -> bytes:
        known = hello.server == self.desk.server
        if known and not self.pid:
            self.pid = hello.pid
            self.desk.talks.add(self)
            self.desk.changed()
        return encoded(Welcome(known=known))

    async def _session(self, body: bytes) -> bytes:
        try:
            await self.desk.doorkeeper.authenticate_model(body.decode(errors="replace"))
        except HoldfastError as error:
            return encoded(Refusal.of(error))
        return encoded(Passed())

    async def _free(self, body: bytes) -> bytes:
        try:
            live = await self.desk.doorkeeper.authenticate_model(body.decode(errors="replace"))
            return encoded(Passed(upstream=self.desk.calls.free(live).name))
        except HoldfastError as error:
            return encoded(Refusal.of(error))

    async def _count(self, body: bytes) -> bytes:
        asked = decoded(body, Count)
        try:
            live = await self.desk.doorkeeper.authenticate_model(asked.token)
            given = ClientRequest(COUNT, asked.headers, asked.read or asked.body)
            provider, _, edits = await self.desk.calls.counted(live, given)
            return encoded(Counted(upstream=provider.name, edits=edits))
        except HoldfastError as error:
            return encoded(Refusal.of(error))

    async def _call(self, body: bytes) -> bytes:
        asked = decoded(body, Call)
        if len(self._calls) >= OPEN_CALLS_MAX:
            full = Unavailable("this relay has too many calls open", retry_after_s=1)
            return encoded(Refusal.of(full))
        call = self._calls[asked.call] = CarriedCall(self, asked)
        return encoded(await call.begin())

    async def _came(self, body: bytes) -> bytes:
        came = decoded(body, Came)
        return encoded(await self._open_call(came.call).came(came))

    async def _priced(self, body: bytes) -> bytes:
        told = decoded(body, Priced)
        return encoded(await self._open_call(told.call).priced(told))

    async def _extend(self, body: bytes) -> bytes:
        asked = decoded(body, Extend)
        purse = self._purse(asked.call)
        reason = await purse.extend(asked.more_tokens)
        return encoded(Extended(held_tokens=purse.cover.held_tokens, reason=reason))

    async def _next_cuts(self, body: bytes) -> bytes:
        for one in decoded(body, Listening).running:
            call = self._calls.get(one.call)
            if call is not None and call.purse is not None:
                call.purse.metering(partial(_so_far, one))
        if not self._cuts:
            self._news.clear()
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    await self._news.wait()
            except TimeoutError:
                pass
        cuts, self._cuts = self._cuts, []
        return encoded(Cuts(cuts=tuple(cuts)))

    def _arrived(self, body: bytes) -> None:
        came = decoded(body, Came)
        self._open_call(came.call).arrived(came)

    def _emitted(self, body: bytes) -> None:
        said = decoded(body, Emitted)
        self._purse(said.call).emitted(emitted(said.calls))

    def _torn(self, body: bytes) -> None:
        said = decoded(body, Torn)
        self._purse(said.call).void(said.call_id)

    def _was_cut(self, body: bytes) -> None:
        said = decoded(body, WasCut)
        self._purse(said.call).note_cut(said.reading, said.reason)

    def _confirmed(self, body: bytes) -> None:
        self._open_call(decoded(body, Confirmed).call).confirmed()

    def _settle(self, body: bytes) -> None:
        """The money is settled; a kill still reaches what the client has not got (`left`)."""
        said = decoded(body, Settle)
        self._purse(said.call).settle(said.reading, ended=endings.read(said.ended))

    def _left(self, body: bytes) -> None:
        call = self._calls.pop(decoded(body, Left).call, None)
        if call is not None:
            call.leave()
            call.confirmed()

    def _noted(self, body: bytes) -> None:
        said = decoded(body, Noted)
        shape = _CHANGES.get(said.kind)
        if shape is None:
            raise Unavailable("a relay may not journal this")
        told = msgspec.structs.replace(shape.read(said.body), relay=self.pid)
        self.desk.journal.queue([self.desk.journal.record(told, None)])

    def _open_call(self, number: int) -> "CarriedCall":
        call = self._calls.get(number)
        if call is None:
            raise Unavailable("this call is over")
        return call

    def _purse(self, number: int) -> Purse:
        call = self._open_call(number)
        if call.purse is None or not call.handed_on:
            raise Unavailable("nothing of this call is to be heard yet")
        return call.purse


def _so_far(told: Running) -> tuple[Usage, int]:
    return told.usage, told.output_bytes


class CarriedCall:
    """One call of a relay, and its `Carrier`."""

    def __init__(self, talk: RelayTalk, asked: Call) -> None:
        self.purse: Purse | None = None
        self.handed_on = False
        self._talk = talk
        self._asked = asked
        self._said: asyncio.Queue[Answered] = asyncio.Queue()
        self._came: asyncio.Future[Came] | None = None
        self._price: asyncio.Future[Priced] | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def session(self) -> str:
        """Whose call it is; empty until it is paid for."""
        return self.purse.live.session.session_id if self.purse is not None else ""

    async def begin(self) -> Answered:
        """Decide and pay; where to send the call, or why not."""
        self._task = begun(self._run())
        return await self._said.get()

    async def came(self, came: Came) -> Answered:
        """What came of the last `Send`; what to do now. Errors: Unavailable when none was asked."""
        if self._came is None or self._came.done():
            if self._said.empty():
                raise Unavailable("nothing was sent for this call")
        else:
            self._came.set_result(came)
        return await self._said.get()

    async def priced(self, told: Priced) -> Answered:
        """What came of the last `PriceThere`; what to do now. Errors: Unavailable, as `came`."""
        if self._price is None or self._price.done():
            raise Unavailable("nothing was to be counted for this call")
        self._price.set_result(told)
        return await self._said.get()

    async def refused(self, call: ModelCall) -> Refused:
        """See `runtime/model_call.Carrier`; the relay hands on its own, whole."""
        answer = call.answer
        said = answer.said if isinstance(answer, _Told) else b""
        return Refused(answer.status, answer.headers, said)

    async def count(self, call: ModelCall) -> bytes | None:
        """See `runtime/model_call.Carrier`."""
        provider, clearance = call.provider, call.clearance
        if clearance.elsewhere:
            self._price = asyncio.get_running_loop().create_future()
            there = PriceThere(upstream=provider.name, edits=clearance.edits(call.fits))
            self._said.put_nowait(there)
            return (await self._price).raw
        async with clearance.prices(call.fits) as cleared:
            return await provider.counted(self._talk.desk.clock.now_ns(), cleared)

    def arrived(self, came: Came) -> None:
        """The provider answers: what is told of the answer from now on counts.

        Errors: Unavailable when nothing was sent, or the call was ended meanwhile.
        """
        if self._came is None or self._came.done() or came.status != 200:
            raise Unavailable("nothing was sent for this call")
        self.handed_on = True
        self._came.set_result(came)

    async def _run(self) -> None:
        desk, asked = self._talk.desk, self._asked
        try:
            live = await desk.doorkeeper.authenticate_model(asked.token)
            await self._carry(live, asked)
        except HoldfastError as error:
            self._refuse(error)
        except Exception as error:  # noqa: BLE001 -- the caller gets a sentence, the log the fault
            desk.report(error)
            self._refuse(InternalError("holdfast could not handle the request; see its log"))

    async def _carry(self, live: LiveSession, asked: Call) -> None:
        given = ClientRequest(asked.path, asked.headers, asked.read or asked.body)
        call = ModelCall(live, given, self)
        await self._talk.desk.calls.carry(call)
        if call.payer is None:
            self._talk.over(asked.call)
            self._said.put_nowait(HandOn(told=call.told))
        elif self._talk.has(asked.call):
            # A short answer may be over already.
            call.payer.opened(self._cut)

    def _refuse(self, error: HoldfastError) -> None:
        self._said.put_nowait(Refusal.of(error))

    async def reach(self, call: ModelCall) -> None:
        """See `runtime/model_call.Carrier`."""
        provider, purse = call.provider, call.purse
        # Not the call: it holds its carrier, and both would stay until the collector looks.
        self.purse = purse
        self._came = asyncio.get_running_loop().create_future()
        send = Send(
            upstream=provider.name,
            edits=call.edits,
            seconds_left=purse.seconds_left(),
            timeout_s=purse.timeout_s,
            cached_1h=purse.cached_1h,
            held_tokens=purse.cover.held_tokens,
            in_flight_tokens=purse.cover.in_flight_tokens,
            most_tokens=purse.cover.most_tokens,
            session=purse.asker.session,
            user=purse.asker.user,
            whole=not purse.paid.request.stream,
            again_most=purse.again_most,
        )
        self._said.put_nowait(send)
        came = await stoppable(self, self._came, SessionStopped)
        self._count(purse, came)
        answer = _Told(came.status, came.waits, came.said) if came.status else None
        if answer is not None and came.trouble is None:
            call.came = answer
            return
        call.came = _unreached(provider, came, answer)

    def _count(self, purse: Purse, came: Came) -> None:
        """What the tries mean for the session and for the rates."""
        for _ in range(came.failures):
            purse.failed(self._talk.desk.clock.now_ns())
        purse.tried += came.tried
        # The first try was drawn for already; the last of those that failed may be the last at all.
        again = len(came.tried) - int(came.trouble is not None)
        if purse.paid.toll is not None:
            for _ in range(again):
                purse.paid.toll.again()

    def opened(self, cut: Cut) -> None:
        """A kill ends the way to the provider, here and in the relay."""

        def both(reason: str) -> None:
            self._cut(reason)
            cut(reason)

        if self.purse is not None:
            self.purse.opened(both)

    def closed(self) -> None:
        """The provider answered, or never will."""
        if self.purse is not None:
            self.purse.closed()

    def _cut(self, reason: str) -> None:
        stopped = False
        if self.purse is not None and self._talk.has(self._asked.call):
            stopped = self.purse.stopped
            self.purse.live.unconfirmed[self.purse.paid.hold_id] = self._talk.end
        self._talk.cut(self._asked.call, reason, stopped=stopped)

    def confirmed(self) -> None:
        """The relay shows nothing of it any more."""
        if self.purse is not None:
            self.purse.live.unconfirmed.pop(self.purse.paid.hold_id, None)

    def leave(self) -> None:
        """Nobody waits for it any more; what may have been used is charged."""
        if self.purse is not None and self.purse.settled:
            self.purse.closed()
        else:
            self._end(ABANDONED)

    def lose(self) -> None:
        """Nobody can say what came of it: charged in full."""
        if self.purse is not None:
            self.purse.unseen = True
        self._end(LOST)

    def _end(self, ended: Ending) -> None:
        if self._task is not None:
            self._task.cancel()
        if self.handed_on and self.purse is not None:
            self.purse.closed()
            self.purse.settle(Reading(), ended=ended)


class _Told:
    """An answer that a relay has; only what the decision needs of it is here."""

    def __init__(self, status: int, headers: Mapping[str, str], said: bytes) -> None:
        self.status = status
        self.headers = headers
        self.said = said

    async def chunks(self) -> AsyncIterator[bytes]:
        raise InternalError("the body of this answer is in a relay")
        yield b""

    def taking(self, take: Take | None) -> None:
        """Nothing comes here."""

    async def read(self, limit_bytes: int) -> bytes:
        raise InternalError("the body of this answer is in a relay")

    def close(self) -> None:
        """The relay closes it when it hears what to do instead."""


def _unreached(provider: Provider, came: Came, answer: UpstreamAnswer | None) -> Unreached:
    trouble = came.trouble or provider.trouble
    error = came.error.error() if came.error is not None else None
    if answer is None and not isinstance(error, Unavailable):
        raise InternalError("the relay said neither what the provider answered nor why not")
    unavailable = error if isinstance(error, Unavailable) else None
    return Unreached(
        upstream=provider.name,
        trouble=trouble,
        answer=answer,
        error=unavailable,
        reading=came.reading,
    )
