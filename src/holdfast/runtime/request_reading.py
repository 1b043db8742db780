"""Reading requests without standing in anybody's way: large ones one at a time, off the loop."""

import asyncio

from holdfast.core.messages import BadRequest, ModelRequest, read_request

LARGE_BYTES = 256 * 1024


class RequestReader:
    """Reads bodies of model calls."""

    def __init__(self) -> None:
        self._large = asyncio.Semaphore(1)

    async def read(self, body: bytes) -> ModelRequest | BadRequest:
        """See `core.messages.read_request`. The session may be stopped meanwhile."""
        if len(body) <= LARGE_BYTES:
            return read_request(body)
        async with self._large:
            return await asyncio.to_thread(read_request, body)
