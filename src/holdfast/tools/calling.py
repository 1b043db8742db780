"""A tool's function called in this process, and waited for no longer than its contract says.

What does not come in time is not waited for any more: a coroutine is cancelled, a plain function
goes on in a thread of its own, which keeps no program from ending. Not here: what a late call means
(`core/effects`).
"""

import asyncio
import contextvars
import inspect
import threading
from collections.abc import Awaitable, Callable
from typing import Any

_Told = tuple[Any, BaseException | None]


class Late(Exception):
    """The tool did not answer in time; whatever it does, it may still do."""


async def in_time(called: Callable[[], Any], timeout_s: float) -> Any:
    """What `called` returns, awaited where it can be; `timeout_s` 0 waits for good.

    Errors: Late; whatever it raises.
    """
    # An error travels as a value: one that ends programs would end the loop out of its task.
    work = asyncio.get_running_loop().create_task(_told(called))
    try:
        await asyncio.wait({work}, timeout=timeout_s or None)
        if not work.done():
            raise Late
        value, error = work.result()
    finally:
        work.cancel()
    if error is not None:
        raise error
    return value


def threaded(called: Callable[[], Any]) -> Awaitable[Any]:
    """What a plain function returns that may block, from a thread of its own."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[_Told] = loop.create_future()
    context = contextvars.copy_context()

    def answered(told: _Told) -> None:
        if not answer.done():
            answer.set_result(told)

    def work() -> None:
        told: _Told = (None, None)
        try:
            told = (context.run(called), None)
        except BaseException as error:  # noqa: BLE001 -- the caller's to see, whatever it is
            told = (None, error)
        if not loop.is_closed():
            loop.call_soon_threadsafe(answered, told)

    threading.Thread(target=work, daemon=True, name="holdfast-tool").start()
    return _raised(answer)


async def _raised(answer: "asyncio.Future[_Told]") -> Any:
    value, error = await answer
    if error is not None:
        raise error
    return await value if inspect.isawaitable(value) else value


async def _told(called: Callable[[], Any]) -> _Told:
    try:
        found = called()
        return (await found if inspect.isawaitable(found) else found), None
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # noqa: BLE001 -- raised where it is waited for
        return None, error
