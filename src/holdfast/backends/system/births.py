"""Whether anybody was started on this machine since: by the kernel's own count.

The kernel numbers processes and threads one after the other and tells the last number in
`/proc/loadavg`. While it stands still nobody new is there, and nobody has to be looked for.

Not here: who is there (`process_table`), and when that is looked at (`lookout`).
"""

import contextlib
import os
import threading
import weakref
from pathlib import Path


class Births:
    """The number given last; useless, and said to be so, where it does not count here."""

    def __init__(self, proc: Path) -> None:
        self._opened: int | None = None
        with contextlib.suppress(OSError):
            # What `/proc` shows must be numbered as this process is.
            if str((proc / "self").readlink()) == str(os.getpid()):
                self._opened = os.open(proc / "loadavg", os.O_RDONLY)
                weakref.finalize(self, os.close, self._opened)
        if not self._counts():
            self._opened = None

    def last(self) -> int | None:
        """The number of whoever was started last; None where nobody tells."""
        if self._opened is None:
            return None
        try:
            return int(os.pread(self._opened, 128, 0).rpartition(b" ")[2])
        except (OSError, ValueError):
            return None

    def _counts(self) -> bool:
        """Whether it moves when something starts: some containers show a number of their own."""
        before = self.last()
        one = threading.Thread(target=lambda: None, name="counted")
        one.start()
        one.join()
        return before is not None and before != self.last()
