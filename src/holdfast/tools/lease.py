"""Until when a worker may begin something for a run.

A worker asks before each attempt of a tool, and the process that runs the tool asks again right
before it begins. Whoever stood still in between finds the time over, and the run may be another's
by then: nothing begins until the server has said once more whose it is. Time is of a clock that all
processes of a machine share, and that goes on while the machine sleeps. Not here: the server's
side, which may only ever end later (`runtime/dispatch`).
"""

import asyncio
import time

from holdfast.errors import LeaseLost

# Elsewhere than on Linux a machine that slept is noticed a lease later.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


_PATIENCE_S = 30.0
_LOOK_S = 0.05


def now_s() -> float:
    """Seconds of the clock that leases are counted in."""
    return time.clock_gettime(_CLOCK)


class Lease:
    """A worker's lease of one run, until `until_s` unless it is renewed."""

    def __init__(self, until_s: float) -> None:
        self.until_s = until_s

    def renew(self, until_s: float) -> None:
        """The server said that it holds until then; what it said before stays said."""
        self.until_s = max(self.until_s, until_s)

    async def held(self, patience_s: float = _PATIENCE_S) -> None:
        """Return once it is known to hold; waits for its next renewal where it is over.

        Errors: LeaseLost when nobody renewed it for `patience_s` seconds.
        """
        asked_s = now_s()
        while now_s() >= self.until_s:
            if now_s() - asked_s >= patience_s:
                raise LeaseLost("the lease of this run is over: nothing more is begun for it")
            await asyncio.sleep(_LOOK_S)
