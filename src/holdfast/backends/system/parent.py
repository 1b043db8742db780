"""Ending with whoever started this process, also where that was killed and could not say so."""

import asyncio
import os
from collections.abc import Callable

_LOOK_S = 0.5


def stop_with(parent: int, stop: Callable[[], None]) -> None:
    """Call `stop` once the process `parent`, which started this one, is gone.

    A process whose parent ends is given another: looked for twice a second, by the running loop.
    """
    loop = asyncio.get_running_loop()

    def look() -> None:
        if os.getppid() == parent:
            loop.call_later(_LOOK_S, look)
        else:
            stop()

    look()
