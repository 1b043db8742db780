"""Reading requests without standing in anybody's way: large ones in a process of their own.

A small body is read where it is. A large one (`ports.readers.Held`) is read by a reader, and what
comes of it has no body and no long texts (`core/large.compact`); the body is edited there too.
Bytes that are large all the same, where there is no reader, are read one at a time off the loop.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import msgspec

from holdfast.core.edits import Edits
from holdfast.core.large import (
    Count,
    Edit,
    Job,
    Read,
    Requested,
    Unusable,
    Written,
    counted,
    taken_in,
)
from holdfast.core.messages import BadRequest, ModelRequest, read_count, read_request
from holdfast.core.wire.admitted import NOTHING, Admitted
from holdfast.core.wire.splicing import Change, spliced
from holdfast.errors import TooLarge, Unavailable
from holdfast.ports.readers import LARGE_BYTES, Body, Held, Readers

_Read = Callable[[bytes, Admitted], ModelRequest | BadRequest]
Bytes = bytes | memoryview


class RequestReader:
    """Reads bodies of model calls; `admitted` may pass beyond the table of the API."""

    def __init__(self, admitted: Admitted = NOTHING, readers: Readers | None = None) -> None:
        self.admitted = admitted
        self._readers = readers
        self._large = asyncio.Semaphore(1)

    async def read(self, body: Body, without: tuple[Change, ...] = ()) -> ModelRequest | BadRequest:
        """See `core.messages.read_request`; `without` is taken out of the body before.

        The session may be stopped meanwhile.

        Errors: Unavailable, TooLarge where a large body could not be read.
        """
        return await self._by(read_request, body, without, counting=False)

    async def count(
        self, body: Body, without: tuple[Change, ...] = ()
    ) -> ModelRequest | BadRequest:
        """See `core.messages.read_count`. Errors: as `read`."""
        return await self._by(read_count, body, without, counting=True)

    async def _by(
        self, read: _Read, body: Body, without: tuple[Change, ...], *, counting: bool
    ) -> ModelRequest | BadRequest:
        if not isinstance(body, bytes):
            return await whole(await self.read_elsewhere(body, without, counting=counting))
        body = spliced(body, without)
        if len(body) <= LARGE_BYTES:
            return read(body, self.admitted)
        async with self._large:
            return await asyncio.to_thread(read, body, self.admitted)

    async def read_elsewhere(
        self, body: Held, without: tuple[Change, ...] = (), *, counting: bool = False
    ) -> Requested:
        """What a reader makes of a large body, for whoever decides on it. Errors: as `read`."""
        job = Read(admitted=self.admitted.lines, counting=counting, without=without)
        answer, _ = await self._asked(job, body)
        if not isinstance(answer, Requested):
            raise _nonsense()
        return answer

    @contextlib.asynccontextmanager
    async def edited(self, body: Body, edits: Edits) -> AsyncIterator[Bytes]:
        """The bytes to send. Errors: as `read`."""
        if isinstance(body, bytes):
            yield edits.applied(body)
        elif edits.leaves_body():
            yield body.view()
        else:
            async with self._written(Edit(edits=edits), body) as view:
                yield view

    @contextlib.asynccontextmanager
    async def counted(self, body: Body, edits: Edits) -> AsyncIterator[Bytes]:
        """The bytes of a `count_tokens` for the same request. Errors: as `read`."""
        if isinstance(body, bytes):
            yield counted(body, edits)
        else:
            async with self._written(Count(edits=edits), body) as view:
                yield view

    @contextlib.asynccontextmanager
    async def _written(self, job: Job, body: Held) -> AsyncIterator[memoryview]:
        answer, written = await self._asked(job, body)
        if not isinstance(answer, Written) or written is None:
            raise _nonsense()
        try:
            yield written.view()
        finally:
            written.close()

    async def _asked(self, job: Job, body: Held) -> tuple[object, Held | None]:
        if self._readers is None:
            raise Unavailable("nobody here reads large requests; send less of it at once")
        answer, written = await self._readers.ask(job, body)
        if isinstance(answer, Unusable):
            raise TooLarge(answer.text)
        return answer, written


async def whole(found: Requested) -> ModelRequest | BadRequest:
    """What a reader found, taken in a slice at a time: others are served in between.

    Errors: Unavailable.
    """
    request: ModelRequest | None = None
    try:
        for request in taken_in(found):
            if request is None:
                await asyncio.sleep(0)
    except (msgspec.MsgspecError, UnicodeDecodeError) as fault:
        raise _nonsense() from fault
    return request if request is not None else BadRequest(found.bad)


def _nonsense() -> Unavailable:
    text = "the process that reads large requests answered another question; send it again"
    return Unavailable(text, retry_after_s=1)
