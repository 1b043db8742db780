"""An answer on its way from the provider to the client: metered, cut when money or life ends.

Whole events are forwarded as they came. A cut closes the provider's connection and ends the
stream well-formed, as if `max_tokens` had been reached, so that clients stop instead of retrying;
a fault of the provider is passed on as an error event, so that they may. A client that leaves
closes the provider's connection too: nobody pays for tokens that nobody reads.

Most events only have to be counted: they are, and go to the client, in the call that received
them. What has to be waited for (money, the journal, a client that reads slowly) is, in turn.

Who pays may be in this process (`runtime/purse`) or in another (`runtime/relays`).
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping
from typing import Protocol

import msgspec

from holdfast.core import endings
from holdfast.core.cover import Cover
from holdfast.core.endings import ABANDONED, COMPLETE, Ending
from holdfast.core.metering import Metering, Reading
from holdfast.core.stream import AnswerStream, Broken, EmittedCall, read_answer
from holdfast.errors import HoldfastError, UpstreamUnavailable
from holdfast.ports.llm import Take, UpstreamAnswer
from holdfast.runtime.live import Cut
from holdfast.runtime.refused import read_out

_WHOLE_BYTES_MAX = 64 * 1024 * 1024


class Payer(Protocol):
    """Pays for one answer, remembers what the model asks for in it, and may have it cut.

    What is told without `await` is remembered in the order of the calls; `caught_up` waits for it.
    """

    cover: Cover

    @property
    def cached_1h(self) -> bool:
        """Whether the request caches for an hour somewhere."""
        ...

    @property
    def timeout_s(self) -> float:
        """The turn's time-out."""
        ...

    @property
    def stopped(self) -> bool:
        """Whether the session may not act any more, so that nothing may be shown."""
        ...

    @property
    def lapsed(self) -> str:
        """Why nothing may go on though nobody cut it; nearly always nothing."""
        ...

    def seconds_left(self) -> float:
        """Until the turn's time-out; above 0."""
        ...

    def metering(self, metering: Metering) -> None:
        """What the answer used so far is told there from now on, whoever wants to know."""
        ...

    def opened(self, cut: Cut) -> None:
        """From here on a kill reaches the answer by `cut`; at once where one came meanwhile."""
        ...

    def closed(self) -> None:
        """Nothing of the answer is open any more; idempotent."""
        ...

    async def extend(self, more_tokens: int) -> str:
        """Hold so many tokens more; a sentence when the stream must be cut instead."""
        ...

    def emitted(self, calls: Iterable[EmittedCall]) -> None:
        """Remember the tool calls the model asked for, before the client can see them."""
        ...

    def void(self, call_id: str) -> None:
        """A call behind which the answer broke off may be half-written: it gets no permit."""
        ...

    async def caught_up(self) -> str:
        """Once all of what was told is remembered: nothing, or why the answer must be cut."""
        ...

    def note_cut(self, reading: Reading, reason: str) -> None:
        """Journal that the answer was ended early."""
        ...

    def settle(self, reading: Reading, *, ended: Ending) -> None:
        """Replace the hold by the provider's usage, or by a bound; the first time counts."""
        ...

    def abandon(self, ended: Ending) -> None:
        """The provider was asked and nothing came back: what it may have done is charged."""
        ...

    def refusal(self, reason: str) -> HoldfastError:
        """The error for an answer that was cut before any of it was shown."""
        ...


class Client(Protocol):
    """Whom an answer goes to."""

    def write(self, piece: bytes) -> bool:
        """Send a piece of the stream at once; False, and nothing is sent, where it has to wait."""
        ...

    def reset(self) -> None:
        """Take back what was sent and has not arrived."""
        ...

    async def delivered(self) -> None:
        """Wait until what was sent has arrived, or the client is gone."""
        ...


class Answer:
    """One answer; read it once, by `whole` or by `events`, and `close` it in any case.

    While it is open it can be reached by a kill, and the turn's time-out ends it, read or not. It
    is open until its `client` has all of it.
    """

    def __init__(self, upstream: UpstreamAnswer, payer: Payer | None) -> None:
        self._upstream = upstream
        self._payer = payer
        self._cut_because = ""
        self._reading = False
        # What was metered already of the chunk that comes next.
        self._metered: bytes | Broken | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.client: Client | None = None
        self.status = upstream.status
        self.headers: Mapping[str, str] = upstream.headers
        if payer is not None:
            text = f"deadline_exceeded: the turn took longer than {payer.timeout_s:g} s"
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(payer.seconds_left(), self._overdue, text)
            payer.opened(self.cut)

    @property
    def streams(self) -> bool:
        """Whether the body is an event stream."""
        kind = self.headers.get("content-type", "")
        return self.status == 200 and kind.startswith("text/event-stream")

    def cut(self, reason: str) -> None:
        """End the answer now, from outside; the first reason counts."""
        if not self._cut_because:
            self._cut_because = reason
            self._upstream.close()
            if not self._reading and self._payer is not None:
                # Nobody has come for it yet, and perhaps nobody will.
                self._payer.abandon(endings.cut(reason))
            if self.client is not None and self._payer is not None and self._payer.stopped:
                self.client.reset()

    def _overdue(self, reason: str) -> None:
        """A client that reads too slowly for its turn is not waited for any longer."""
        self.cut(reason)
        if self.client is not None:
            self.client.reset()

    def close(self) -> None:
        """Let go of the provider's connection and settle what nobody settled; idempotent."""
        if self._timer is not None:
            self._timer.cancel()
        self._upstream.close()
        if self._payer is not None:
            self._payer.abandon(ABANDONED)
            self._payer.closed()

    async def _delivered(self) -> None:
        if self.client is not None and not self._cut_because:
            await self.client.delivered()

    async def whole(self) -> bytes:
        """The body of an answer that does not stream, settled before it is handed on.

        It stays open, so that a kill reaches it, until it is closed.

        Errors: UpstreamUnavailable when it breaks or cannot be read, SessionStopped or
        DeadlineExceeded when it was cut; all after the money is settled.
        """
        self._reading = True
        try:
            if self._payer is None:
                return await self._refusal()
            return await self._paid_whole(self._payer)
        except BaseException:
            self.close()
            raise

    async def _refusal(self) -> bytes:
        """The provider's own words; its status stays, even where they are no use to a client."""
        refused = await read_out(self._upstream)
        self.headers = refused.headers
        return refused.body

    async def _paid_whole(self, payer: Payer) -> bytes:
        try:
            body = await self._upstream.read(_WHOLE_BYTES_MAX)
            read = read_answer(body, cached_1h=payer.cached_1h)
            if isinstance(read, Broken):
                raise UpstreamUnavailable(read.text, ours=True)
        except UpstreamUnavailable as error:
            cut = self._cut_because
            payer.abandon(endings.stopped(cut) if cut else endings.failed(error))
            if not cut:
                raise
        else:
            metered, calls = read
            payer.emitted(calls)
            payer.settle(metered.reading(), ended=COMPLETE)
            if reason := await payer.caught_up():
                self.cut(reason)
            if not self._cut_because:
                return body
        # It may be here to its last byte: after a kill, no token goes on.
        raise payer.refusal(self._cut_because)

    async def events(self) -> AsyncGenerator[bytes, None]:
        """The event stream, in whole events, but for those that the client got straight."""
        payer = self._payer
        if payer is None:
            raise RuntimeError("an answer that nobody pays for does not stream")
        meter = AnswerStream(cached_1h=payer.cached_1h)
        payer.metering(meter.metered.so_far)
        ended = ABANDONED
        self._reading = True
        if self.client is not None:
            self._upstream.taking(self._straight(meter, payer, self.client))
        try:
            try:
                async for chunk in self._upstream.chunks():
                    out = await self._take(chunk, meter, payer)
                    if out and not (self._cut_because and payer.stopped):
                        # Shown even where money or time ended meanwhile, never after a stop.
                        meter.shown()
                        yield out
                    if self._cut_because:
                        break
                if not self._cut_because and not meter.ended and not meter.failed:
                    raise UpstreamUnavailable("the provider ended the stream early")
                ended = endings.broken(meter.error)
                await self._delivered()
            except UpstreamUnavailable as error:
                if not self._cut_because:
                    ended = endings.failed(error)
                    self._over(meter, payer, ended)
                    yield _error_event("api_error", f"{error.code}: {error.message}")
            finally:
                if self._cut_because:
                    ended = endings.cut(self._cut_because)
                    payer.note_cut(meter.metered.reading(), self._cut_because)
                self._over(meter, payer, ended)
            if self._cut_because:
                # Before the first event there is no message to end.
                yield meter.ending() or _error_event("permission_error", self._cut_because)
        finally:
            self.close()

    @staticmethod
    def _over(meter: AnswerStream, payer: Payer, ended: Ending) -> None:
        """Nothing more will come: what is half-written gets no permit, and the money is settled."""
        if half := meter.unfinished():
            payer.emitted(half)
        for call_id in meter.torn(over=True):
            payer.void(call_id)
        payer.settle(meter.metered.reading(), ended=ended)

    def _straight(self, meter: AnswerStream, payer: Payer, client: Client) -> Take:
        """Meters a chunk and hands it on in one call, where there is nothing to wait for."""

        def take(chunk: bytes) -> bool:
            if self._cut_because or payer.lapsed:
                return False
            out = meter.feed(chunk)
            self._metered = out
            if isinstance(out, Broken) or meter.calls or meter.stopping:
                return False
            if not payer.cover.is_ahead(meter.metered) or (out and not client.write(out)):
                return False
            self._metered = None
            meter.shown()
            return True

        return take

    async def _take(self, chunk: bytes, meter: AnswerStream, payer: Payer) -> bytes:
        """Meter one chunk; the whole events to forward, once what they ask for is remembered.

        Errors: UpstreamUnavailable when the provider broke its own protocol.
        """
        if payer.lapsed:
            self.cut(payer.lapsed)
            return b""
        out, self._metered = self._metered, None
        if out is None:
            out = meter.feed(chunk)
        if isinstance(out, Broken):
            raise UpstreamUnavailable(out.text, ours=True)
        torn = meter.torn(over=meter.ended)
        told = bool(meter.calls or torn or meter.ended)
        if meter.calls:
            payer.emitted(meter.calls)
            meter.calls.clear()
        for call_id in torn:
            payer.void(call_id)
        reason = ""
        if meter.ended:
            # Before the client can send its next call, which draws on the same accounts.
            payer.settle(meter.metered.reading(), ended=COMPLETE)
        elif payer.cover.is_overrun(meter.metered):
            reason = "the provider wrote more than the `max_tokens` it was given"
        elif not payer.cover.is_ahead(meter.metered):
            reason = await payer.extend(payer.cover.wanted(meter.metered))
        if told and not reason:
            reason = await payer.caught_up()
        if reason:
            self.cut(reason)
        return out


def _error_event(kind: str, message: str) -> bytes:
    body = {"type": "error", "error": {"type": kind, "message": message}}
    return b"event: error\ndata: " + msgspec.json.encode(body) + b"\n\n"
