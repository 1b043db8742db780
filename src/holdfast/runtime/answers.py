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
from holdfast.errors import SessionStopped, UpstreamUnavailable
from holdfast.model.events import Kind
from holdfast.model.sessions import SessionState
from holdfast.ports.llm import UpstreamAnswer
from holdfast.runtime.journal import Journal
from holdfast.runtime.live import LiveSession
from holdfast.runtime.purse import Purse

_WHOLE_BYTES_MAX = 64 * 1024 * 1024
_ERROR_BYTES_MAX = 1024 * 1024


class Answer:
    """One answer; read it once, by `whole` or by `events`."""

    def __init__(
        self, upstream: UpstreamAnswer, *, purse: Purse | None, live: LiveSession, journal: Journal
    ) -> None:
        self._upstream = upstream
        self._purse = purse
        self._live = live
        self._journal = journal
        self._cut_because = ""
        self.status = upstream.status
        self.headers: Mapping[str, str] = upstream.headers

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

    async def whole(self) -> bytes:
        """The body of an answer that does not stream, settled before it is handed on.

        Errors: UpstreamUnavailable when it breaks or cannot be read, SessionStopped when it was
        cut; both after the money is settled.
        """
        if self._purse is None:
            body = await self._upstream.read(_ERROR_BYTES_MAX)
            self._upstream.close()
            return body
        with self._watched(self._purse) as purse:
            try:
                body = await self._upstream.read(_WHOLE_BYTES_MAX)
                read = read_answer(body, cached_1h=purse.paid.request.cached_1h)
                if isinstance(read, Broken):
                    raise UpstreamUnavailable(read.text)
            except UpstreamUnavailable as error:
                purse.abandon(self._cut_because or f"broken: {error.message}")
                if self._cut_because:
                    raise SessionStopped(self._cut_because) from None
                raise
            metered, calls = read
            purse.emitted(calls)
            purse.settle(metered, ended="complete")
            return body

    async def events(self) -> AsyncGenerator[bytes, None]:
        """The event stream, in whole events."""
        if self._purse is None:
            raise RuntimeError("an answer that nobody pays for does not stream")
        meter = AnswerStream(cached_1h=self._purse.paid.request.cached_1h)
        ended = "abandoned"
        with self._watched(self._purse) as purse:
            try:
                async for chunk in self._upstream.chunks():
                    out = await self._take(chunk, meter, purse)
                    if self._cut_because:
                        break
                    if out:
                        yield out
                if not self._cut_because and not meter.ended and not meter.failed:
                    raise UpstreamUnavailable("the provider ended the stream early")
            except UpstreamUnavailable as error:
                if not self._cut_because:
                    ended = f"broken: {error.message}"
                    purse.settle(meter.metered, ended=ended)
                    yield _error_event(error)
            finally:
                if self._cut_because:
                    ended = f"cut: {self._cut_because}"
                    self._record_cut(meter)
                purse.settle(meter.metered, ended=ended)
            if self._cut_because:
                yield meter.ending()

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
            self.cut_if(await purse.get_ahead(meter.metered))
        return out

    def cut_if(self, reason: str) -> None:
        """Cut when there is a reason."""
        if reason:
            self.cut(reason)

    def _watched(self, purse: Purse) -> "_Watch":
        return _Watch(self, self._live, purse, self._upstream)

    def _record_cut(self, meter: AnswerStream) -> None:
        body = {
            "reason": self._cut_because,
            "output_bytes": meter.metered.output_bytes,
            "message_id": meter.metered.message_id,
        }
        record = self._journal.record(Kind.MODEL_CALL_CUT, self._live.who, body)
        self._journal.queue([record])


class _Watch:
    """While an answer is open: reachable by a kill, bounded by the turn's time-out."""

    def __init__(
        self, answer: Answer, live: LiveSession, purse: Purse, upstream: UpstreamAnswer
    ) -> None:
        self._answer, self._live, self._purse, self._upstream = answer, live, purse, upstream
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Purse:
        loop = asyncio.get_running_loop()
        seconds = self._purse.paid.timeout_s
        text = f"deadline_exceeded: the turn took longer than {seconds:g} s"
        self._timer = loop.call_later(self._purse.seconds_left(), self._answer.cut, text)
        self._live.streams[self._purse.paid.hold_id] = self._answer.cut
        if self._live.session.state is not SessionState.ACTIVE:
            # Stopped between the provider's headers and this line.
            self._answer.cut(f"the session is {self._live.session.state}")
        return self._purse

    def __exit__(self, *_: object) -> None:
        self._live.streams.pop(self._purse.paid.hold_id, None)
        if self._timer is not None:
            self._timer.cancel()
        self._upstream.close()


def _error_event(error: UpstreamUnavailable) -> bytes:
    body = {
        "type": "error",
        "error": {"type": "api_error", "message": f"{error.code}: {error.message}"},
    }
    return b"event: error\ndata: " + msgspec.json.encode(body) + b"\n\n"
