"""Reading requests without standing in anybody's way: large ones one at a time, off the loop."""

import asyncio
from collections.abc import Callable

from holdfast.core.messages import BadRequest, ModelRequest, read_count, read_request
from holdfast.core.wire.admitted import NOTHING, Admitted

LARGE_BYTES = 256 * 1024
_Read = Callable[[bytes, Admitted], ModelRequest | BadRequest]


class RequestReader:
    """Reads bodies of model calls; `admitted` may pass beyond the table of the API."""

    def __init__(self, admitted: Admitted = NOTHING) -> None:
        self._admitted = admitted
        self._large = asyncio.Semaphore(1)

    async def read(self, body: bytes) -> ModelRequest | BadRequest:
        """See `core.messages.read_request`. The session may be stopped meanwhile."""
        return await self._by(read_request, body)

    async def count(self, body: bytes) -> ModelRequest | BadRequest:
        """See `core.messages.read_count`."""
        return await self._by(read_count, body)

    async def _by(self, read: _Read, body: bytes) -> ModelRequest | BadRequest:
        if len(body) <= LARGE_BYTES:
            return read(body, self._admitted)
        async with self._large:
            return await asyncio.to_thread(read, body, self._admitted)
