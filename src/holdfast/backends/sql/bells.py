"""How a writer waits for work: in an event loop, or in a thread that has none."""

import asyncio
import threading
from typing import Protocol


class Bell(Protocol):
    """Rung by whoever puts work down; a ring that nobody waits for is kept, once."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The event loop in which the one who waits lives, None for a thread."""
        ...

    def ring(self) -> None:
        """Wake whoever waits. Not from two threads at once."""
        ...

    async def rung(self) -> None:
        """Wait for the next ring, or take the one that is kept."""
        ...


class LoopBell:
    """For a task of the event loop that is running."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._event = asyncio.Event()

    def ring(self) -> None:
        """As of a bell."""
        self._event.set()

    async def rung(self) -> None:
        """As of a bell."""
        await self._event.wait()
        self._event.clear()


class ThreadBell:
    """For a thread: waiting blocks it, and gives Python's lock away meanwhile."""

    loop = None

    def __init__(self) -> None:
        self._silence = threading.Lock()
        self._silence.acquire()

    def ring(self) -> None:
        """As of a bell."""
        if self._silence.locked():
            self._silence.release()

    async def rung(self) -> None:
        """As of a bell."""
        self._silence.acquire()
