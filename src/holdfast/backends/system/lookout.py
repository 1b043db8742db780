"""When the machine's processes are looked at: before each permit, as far as somebody may be new.

A permit waits for a look that began after it was asked for. All who ask meanwhile share the next
one, and none is needed while the kernel has started nobody (`births`). Somebody that it has just
numbered may not be in `/proc` yet, so a look is only left out some time after the last start, and
when nobody is left that is to be read again.

A process that was started before can still change: execute a program with another mark, or lead a
new group. Now and then a look reads everybody again for that; a kill always does.

Not here: who is whose (`process_table`).
"""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from holdfast.backends.system.births import Births
from holdfast.backends.system.process_table import ProcessTable

# After so many permits everybody is read again, but not more often than once in so many seconds.
_WHOLE_EVERY = 64
_WHOLE_S = 1.0
# By then a process that was numbered is in `/proc`.
_SEEN_AFTER_S = 0.1


class Lookout:
    """The table of processes, and looks at them that are shared. For one event loop."""

    def __init__(self, table: ProcessTable, births: Births) -> None:
        self.table = table
        self.lock = threading.Lock()
        """Held in every look; a kill holds it for all of its own."""
        # A thread of its own: a kill waits behind nobody's parsing and scrubbing.
        self.thread = ThreadPoolExecutor(1, "fence")
        self._births = births
        self._ordered = self._begun = 0
        self._next: asyncio.Future[None] | None = None
        self._last: int | None = None
        self._moved_s = 0.0
        self._asked = 0
        self._whole = False
        self._whole_s = 0.0

    async def look(self) -> None:
        """Return once whoever is there at this moment has been looked at."""
        if not self._is_due(time.monotonic()):
            return
        if self._next is None or self._begun == self._ordered:
            self._ordered += 1
            loop = asyncio.get_running_loop()
            self._next = loop.run_in_executor(self.thread, self._look)
        # One who leaves does not take the look from the others.
        await asyncio.shield(self._next)

    def _is_due(self, now_s: float) -> bool:
        self._asked += 1
        if self._asked >= _WHOLE_EVERY and now_s - self._whole_s >= _WHOLE_S:
            self._asked, self._whole_s, self._whole = 0, now_s, True
        quiet = self._last is not None and self._births.last() == self._last
        settled = now_s - self._moved_s >= _SEEN_AFTER_S
        return self._whole or not quiet or not settled or self.table.fresh

    def _look(self) -> None:
        """In the thread: one look."""
        with self.lock:
            self._begun += 1  # Whoever asks from here on waits for another.
            whole, self._whole = self._whole, False
            before, last = self._last, self._births.last()
            self.table.look(whole=whole)
            if last != before:
                self._moved_s = time.monotonic()
            self._last = last
