"""Waiting for work only as long as somebody waits with us."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request

_T = TypeVar("_T")


async def while_there(request: Request, work: Coroutine[Any, Any, _T]) -> _T:
    """What `work` returns; it is cancelled when the client leaves, whose body was read before.

    A run that is handed to a worker that is gone would wait for its lease to run out. Errors:
    ClientDisconnect.
    """
    working = asyncio.create_task(work)
    leaving = asyncio.create_task(_left(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        working.cancel()
        leaving.cancel()


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        continue
