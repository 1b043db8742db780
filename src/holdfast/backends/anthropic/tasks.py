"""Connecting to whichever address of a name answers first: one that hangs holds up nobody."""

import asyncio
import socket
from collections.abc import Coroutine, Sequence
from typing import Any

Address = tuple[int, tuple[Any, ...]]
"""Family, and where in it."""

_HEAD_START_S = 0.25


def begun(look_up: Coroutine[Any, Any, list[Address]]) -> asyncio.Task[list[Address]]:
    """A look-up that goes on whoever stops waiting for it; its pool keeps it, and ends it."""
    return asyncio.create_task(look_up)


async def first_to_answer(addresses: Sequence[Address]) -> socket.socket:
    """A connected socket. Each has a head start before the next is tried beside it.

    Errors: OSError of the last one that failed, when all did.
    """
    if len(addresses) == 1:
        return await _connected(addresses[0])
    left, trying = list(addresses), set[asyncio.Task[socket.socket]]()
    failed: OSError | None = None
    try:
        while left or trying:
            if left:
                trying.add(asyncio.create_task(_connected(left.pop(0))))
            wait_s = _HEAD_START_S if left else None
            done, trying = await asyncio.wait(
                trying, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED
            )
            won, failed = _judged(done, failed)
            if won is not None:
                return won
    finally:
        for one in trying:
            one.cancel()
            one.add_done_callback(_closed)
    raise failed or OSError("the name has no address")


async def _connected(address: Address) -> socket.socket:
    family, place = address
    line = socket.socket(family, socket.SOCK_STREAM)
    try:
        line.setblocking(False)
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        await asyncio.get_running_loop().sock_connect(line, place)
    except BaseException:
        line.close()
        raise
    return line


def _judged(
    done: set[asyncio.Task[socket.socket]], failed: OSError | None
) -> tuple[socket.socket | None, OSError | None]:
    """The first that connected; others that did are closed."""
    won: socket.socket | None = None
    for one in done:
        error = one.exception()
        if error is None and won is None:
            won = one.result()
        elif error is None:
            one.result().close()
        elif isinstance(error, OSError):
            failed = error
        else:
            raise error
    return won, failed


def _closed(late: asyncio.Task[socket.socket]) -> None:
    if not late.cancelled() and late.exception() is None:
        late.result().close()
