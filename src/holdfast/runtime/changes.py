"""That something was written down, for whoever shows what stands and waits for it to be another.

Not here: what it was (the journal).
"""

import asyncio
from collections.abc import Collection, Sequence

from holdfast.model.events import Record


class Changes:
    """A tap that counts commits, and lets others wait for the next."""

    def __init__(self) -> None:
        self.version = 0
        self._next: asyncio.Event | None = None

    def saw(self, records: Sequence[Record]) -> None:
        """Something became durable."""
        self.version += 1
        if self._next is not None:
            self._next.set()
            self._next = None

    def recalled(self, records: Sequence[Record], over: Collection[str]) -> None:
        """What came back into memory is nothing new."""

    async def after(self, version: int, wait_s: float) -> int:
        """The version, at once where it is another than `version`, else after the next change.

        Where nothing changes for `wait_s` it is the same as before.
        """
        if version == self.version:
            self._next = self._next or asyncio.Event()
            try:
                async with asyncio.timeout(wait_s):
                    await self._next.wait()
            except TimeoutError:
                pass
        return self.version
