"""Watching for a client that leaves, so that nobody pays for an answer that nobody reads."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.types import Receive


class ClientLeft(Exception):
    """The client closed the connection; nothing is left to answer."""


@asynccontextmanager
async def while_connected(receive: Receive) -> AsyncIterator[None]:
    """Cancel the block, and raise ClientLeft from it, as soon as the client is gone.

    The body of the request must have been read before.
    """
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("a request is served outside a task")
    left = False

    async def watch(serving: asyncio.Task[object]) -> None:
        nonlocal left
        while (await receive())["type"] != "http.disconnect":
            pass
        left = True
        serving.cancel()

    watcher = asyncio.create_task(watch(task))
    try:
        yield
    except asyncio.CancelledError:
        if left and task.uncancel() == 0:
            raise ClientLeft from None
        raise
    finally:
        watcher.cancel()
