"""An answer on its way from the provider to the client: metered, cut when money or life ends.

Whole events are forwarded as they came. A cut closes the provider's connection and ends the
stream well-formed, as if `max_tokens` had been reached, so that clients stop instead of retrying;
a fault of the provider is passed on as an error event, so that they may. A client that leaves
closes the provider's connection too: nobody pays for tokens that nobody reads.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping

import msgspec

from holdfast.core.stream import AnswerStream, Broken, read_answer
from holdfast.errors import DeadlineExceeded, SessionStopped, UpstreamUnavailable
from holdfast.model.events import Kind
from holdfast.model.sessions import SessionState
from holdfast.ports.llm import UpstreamAnswer
from holdfast.runtime.journal import Journal
from holdfast.runtime.live import LiveSession
from holdfast.runtime.purse import Purse

_WHOLE_BYTES_MAX = 64 * 1024 * 1024
_ERROR_BYTES_MAX = 1024 * 1024


class Answer:
    """One answer; read it once, by `whole` or by `events`, and `close` it in any case.

    While it is open it can be reached by a kill, and the turn's time-out ends it, read or not.
    """

    def __init__(
        self, upstream: UpstreamAnswer, *, purse: Purse | None, live: LiveSession, journal: Journal
    ) -> None:
        self._upstream = upstream
        self._purse = purse
        self._live = live
        self._journal = journal
        self._cut_because = ""
        self._reading = False
        self._timer: asyncio.TimerHandle | None = None
        self.status = upstream.status
        self.headers: Mapping[str, str] = upstream.headers
        if purse is not None:
            self._open(purse)

    def _open(self, purse: Purse) -> None:
        text = f"deadline_exceeded: the turn took longer than {purse.paid.timeout_s:g} s"
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(purse.seconds_left(), self.cut, text)
        self._live.streams[purse.paid.hold_id] = self.cut
        if self._live.session.state is not SessionState.ACTIVE:
            # Stopped between the provider's headers and this line.
            self.cut(f"session_stopped: the session is {self._live.session.state}")

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
            if not self._reading and self._purse is not None:
                # Nobody has come for it yet, and perhaps nobody will.
                self._purse.abandon(f"cut: {reason}")

    def close(self) -> None:
        """Let go of the provider's connection and settle what nobody settled; idempotent."""
        if self._timer is not None:
            self._timer.cancel()
        self._upstream.close()
        if self._purse is not None:
            self._live.streams.pop(self._purse.paid.hold_id, None)
            self._purse.abandon("abandoned")

    async def whole(self) -> bytes:
        """The body of an answer that does not stream, settled before it is handed on.

        Errors: UpstreamUnavailable when it breaks or cannot be read, SessionStopped or
        DeadlineExceeded when it was cut; all after the money is settled.
        """
        self._reading = True
        try:
            if self._purse is None:
                return await self._upstream.read(_ERROR_BYTES_MAX)
            return await self._paid_whole(self._purse)
        finally:
            self.close()

    async def _paid_whole(self, purse: Purse) -> bytes:
        try:
            body = await self._upstream.read(_WHOLE_BYTES_MAX)
            read = read_answer(body, cached_1h=purse.paid.request.cached_1h)
            if isinstance(read, Broken):
                raise UpstreamUnavailable(read.text)
        except UpstreamUnavailable as error:
            purse.abandon(self._cut_because or f"broken: {error.message}")
            if not self._cut_because:
                raise
        else:
            metered, calls = read
            purse.emitted(calls)
            purse.settle(metered, ended="complete")
            if not self._cut_because:
                return body
        # It may be here to its last byte: after a kill, no token goes on.
        if self._live.session.state is SessionState.ACTIVE:
            raise DeadlineExceeded(self._cut_because)
        raise SessionStopped(self._cut_because)

    async def events(self) -> AsyncGenerator[bytes, None]:
        """The event stream, in whole events."""
        purse = self._purse
        if purse is None:
            raise RuntimeError("an answer that nobody pays for does not stream")
        meter = AnswerStream(cached_1h=purse.paid.request.cached_1h)
        ended = "abandoned"
        self._reading = True
        try:
            try:
                async for chunk in self._upstream.chunks():
                    out = await self._take(chunk, meter, purse)
                    if out and self._may_show():
                        meter.shown()
                        yield out
                    if self._cut_because:
                        break
                if not self._cut_because and not meter.ended and not meter.failed:
                    raise UpstreamUnavailable("the provider ended the stream early")
                ended = "broken: the provider sent an error event"
            except UpstreamUnavailable as error:
                if not self._cut_because:
                    ended = f"broken: {error.message}"
                    purse.settle(meter.metered, ended=ended)
                    yield _error_event("api_error", f"{error.code}: {error.message}")
            finally:
                if self._cut_because:
                    ended = f"cut: {self._cut_because}"
                    self._record_cut(meter)
                purse.settle(meter.metered, ended=ended)
            if self._cut_because:
                # Before the first event there is no message to end.
                yield meter.ending() or _error_event("permission_error", self._cut_because)
        finally:
            self.close()

    def _may_show(self) -> bool:
        """What is here may still be shown when money or time ended, never after a stop."""
        return not self._cut_because or self._live.session.state is SessionState.ACTIVE

    async def _take(self, chunk: bytes, meter: AnswerStream, purse: Purse) -> bytes:
        """Meter one chunk; the whole events to forward, once what they ask for is remembered.

        Errors: UpstreamUnavailable when the provider broke its own protocol.
        """
        out = meter.feed(chunk)
        if isinstance(out, Broken):
            raise UpstreamUnavailable(out.text)
        if meter.calls:
            purse.emitted(meter.calls)
            meter.calls.clear()
        if meter.torn:
            purse.void(meter.torn)
        if meter.ended:
            # Before the client can send its next call, which draws on the same accounts.
            purse.settle(meter.metered, ended="complete")
        elif not purse.is_ahead(meter.metered):
            reason = await purse.get_ahead(meter.metered)
            if reason:
                self.cut(reason)
        return out

    def _record_cut(self, meter: AnswerStream) -> None:
        body = {
            "reason": self._cut_because,
            "output_bytes": meter.metered.output_bytes,
            "message_id": meter.metered.message_id,
        }
        record = self._journal.record(Kind.MODEL_CALL_CUT, self._live.who, body)
        self._journal.queue([record])


def _error_event(kind: str, message: str) -> bytes:
    body = {"type": "error", "error": {"type": kind, "message": message}}
    return b"event: error\ndata: " + msgspec.json.encode(body) + b"\n\n"
