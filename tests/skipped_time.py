"""An event loop that never waits: while nothing is ready, its time jumps to the next timer.

It stands still otherwise, so that how slow the machine is decides nothing.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class LoopClock:
    """The loop's own time, so that timers and buckets agree."""

    def now_ns(self) -> int:
        return round((1_000_000 + asyncio.get_running_loop().time()) * 1e9)


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run to the end without waiting; everybody waiting for ever is a failure."""
    loop: Any = asyncio.new_event_loop()
    selector, skipped = loop._selector, [0.0]
    real_select = selector.select

    def select(timeout: float | None) -> Any:
        assert timeout is not None, "everybody waits for ever"
        skipped[0] += timeout
        return real_select(0)

    selector.select = select
    loop.time = lambda: skipped[0]
    try:
        loop.run_until_complete(main())
    finally:
        loop.close()


async def breath(turns: int = 8) -> None:
    """Let everybody go as far as it gets."""
    for _ in range(turns):
        await asyncio.sleep(0)
