"""An answer is judged by its first event, not by its status line.

A provider that is overloaded says so behind a 200, too: as an `error` event before any output, or
as an error in place of an answer in one piece. Such an answer becomes what it is, the refusal with
the status that the same error has elsewhere, and is handled as one.
Not here: what is done about it (`runtime/reaching`).
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping

import msgspec

from holdfast.core.metering import Reading
from holdfast.core.stream import AnswerStream, Broken, error_kind
from holdfast.errors import UpstreamUnavailable
from holdfast.ports.llm import Take, UpstreamAnswer, whole

# An error is small; whatever is larger is an answer.
_ERROR_BYTES_MAX = 64 * 1024
# By so many bytes an error has named itself one.
_NAMED_BY = 256
_BLANK = re.compile(rb"\n\r?\n")
_STATUS_OF = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
}


class Begun(msgspec.Struct, frozen=True):
    """An answer as its beginning shows it.

    `reading` is there where the provider broke it off before any output, and had begun to count.
    """

    answer: UpstreamAnswer
    reading: Reading | None = None


class _Resumed:
    """An answer whose first bytes were read already."""

    def __init__(
        self, answer: UpstreamAnswer, held: list[bytes], rest: AsyncIterator[bytes]
    ) -> None:
        self.status = answer.status
        self.headers = answer.headers
        self._answer = answer
        self._held = held
        self._rest = rest

    async def chunks(self) -> AsyncIterator[bytes]:
        """What was read, and what comes."""
        held, self._held = self._held, []
        for chunk in held:
            yield chunk
        async for chunk in self._rest:
            yield chunk

    def taking(self, take: Take | None) -> None:
        """See `UpstreamAnswer`: what was read comes by `chunks`, before anything else."""
        self._answer.taking(take)

    async def read(self, limit_bytes: int) -> bytes:
        """The whole body. Errors: as of the answer itself."""
        return await whole(self, limit_bytes)

    def close(self) -> None:
        """See `UpstreamAnswer`."""
        self._answer.close()


class _Refusal:
    """What stands for an answer that turned out to be an error."""

    def __init__(self, answer: UpstreamAnswer, kind: str, body: bytes) -> None:
        self.status = _STATUS_OF.get(kind, 500)
        kept = {
            name: value
            for name, value in answer.headers.items()
            if name.lower() in ("request-id", "retry-after", "retry-after-ms")
        }
        self.headers: Mapping[str, str] = {**kept, "content-type": "application/json"}
        self._body = body

    async def chunks(self) -> AsyncIterator[bytes]:
        """The whole of it."""
        yield self._body

    def taking(self, take: Take | None) -> None:
        """It comes by `chunks`."""

    async def read(self, limit_bytes: int) -> bytes:
        """The whole of it."""
        return self._body[:limit_bytes]

    def close(self) -> None:
        """Nothing is open any more."""


async def opened(answer: UpstreamAnswer, seconds_left: Callable[[], float]) -> Begun:
    """Wait for the first event, or the first bytes, of a 200; anything else is handed on as it is.

    Errors: UpstreamUnavailable, with `sent`, when nothing comes; with `ours`, not in time.
    """
    if answer.status != 200:
        return Begun(answer)
    streams = answer.headers.get("content-type", "").startswith("text/event-stream")
    turn = asyncio.timeout(seconds_left())
    try:
        async with turn:
            return await (_first_event(answer) if streams else _first_bytes(answer))
    except UpstreamUnavailable as error:
        answer.close()
        raise UpstreamUnavailable(error.message, **{**error.fields, "sent": True}) from None
    except BaseException as error:
        answer.close()
        if isinstance(error, TimeoutError) and turn.expired():
            over = "the turn's time was over before the provider answered"
            raise UpstreamUnavailable(over, sent=True, ours=True) from None
        raise


async def _first_event(answer: UpstreamAnswer) -> Begun:
    """Judge a stream by its first event besides pings, and by what came together with it.

    What comes after output has begun is not looked at: it makes no refusal of an answer.
    """
    meter, held = AnswerStream(cached_1h=True), list[bytes]()
    rest = answer.chunks()
    async for chunk in rest:
        held.append(chunk)
        read: bytes | Broken = b""
        for event in _events(chunk):
            read = meter.feed(event)
            if meter.metered.opened or isinstance(read, Broken):
                break
        if meter.failed and not meter.metered.opened:
            answer.close()
            reading = meter.metered.reading() if meter.started else None
            body = msgspec.json.encode({"type": "error", "error": meter.error_said})
            return Begun(_Refusal(answer, meter.error, body), reading)
        if meter.seen or isinstance(read, Broken):
            return Begun(_Resumed(answer, held, rest))
    raise UpstreamUnavailable("the provider ended the stream before it began")


def _events(chunk: bytes) -> Iterator[bytes]:
    """Up to each blank line, and what is behind the last."""
    at = 0
    for blank in _BLANK.finditer(chunk):
        yield chunk[at : blank.end()]
        at = blank.end()
    yield chunk[at:]


async def _first_bytes(answer: UpstreamAnswer) -> Begun:
    """Judge an answer in one piece; an error comes whole, and soon."""
    held, rest = list[bytes](), answer.chunks()
    async for chunk in rest:
        held.append(chunk)
        so_far = b"".join(held)
        named = b'"error"' in so_far[:_NAMED_BY]
        if len(so_far) > _ERROR_BYTES_MAX or (len(so_far) > _NAMED_BY and not named):
            break
        try:
            found = msgspec.json.decode(so_far)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        if isinstance(found, dict) and found.get("type") == "error":
            answer.close()
            return Begun(_Refusal(answer, error_kind(found.get("error")), so_far))
        break
    return Begun(_Resumed(answer, held, rest))
