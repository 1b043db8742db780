"""What costs nothing at the provider, and is bounded and told all the same: counting, listing.

A session may ask so many times a minute; what it asked, and what was refused, is journalled as one
count a minute at most, however many they were.
"""

import asyncio
import math

import msgspec

from holdfast.core.rates import Bucket
from holdfast.errors import RateLimited
from holdfast.model import bodies
from holdfast.ports.clock import Clock
from holdfast.runtime.journal import Journal
from holdfast.runtime.live import LiveSession

PER_MINUTE = 300
_TELL_S = 60.0


class _Asked(msgspec.Struct):
    """What one session asked since it was last told of."""

    bucket: Bucket
    passed: int = 0
    refused: int = 0
    telling: asyncio.TimerHandle | None = None


class FreeCalls:
    """Lets free calls in, session by session."""

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        *,
        per_minute: int = PER_MINUTE,
        tell_s: float = _TELL_S,
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._per_minute = per_minute
        self._tell_s = tell_s
        self._asked: dict[str, _Asked] = {}

    def enter(self, live: LiveSession) -> None:
        """Take one. Errors: RateLimited."""
        now_ns, session_id = self._clock.now_ns(), live.session.session_id
        asked = self._asked.get(session_id)
        if asked is None:
            asked = self._asked[session_id] = _Asked(Bucket(self._per_minute, now_ns))
        if asked.telling is None:
            loop = asyncio.get_running_loop()
            asked.telling = loop.call_later(self._tell_s, self._tell, live, asked)
        wait_ns = asked.bucket.wait_ns(1, now_ns)
        if wait_ns:
            asked.refused += 1
            raise RateLimited(
                f"a session may count tokens {self._per_minute} times a minute",
                retry_after_s=max(math.ceil(wait_ns / 1e9), 1),
            )
        asked.bucket.draw(1, now_ns)
        asked.passed += 1

    def _tell(self, live: LiveSession, asked: _Asked) -> None:
        """What came since the last time; a session that asks no more is forgotten here."""
        body = bodies.ModelCallCounted(passed=asked.passed, refused=asked.refused)
        told = self._journal.record_of_ours(body, live.who)
        self._asked.pop(live.session.session_id, None)
        self._journal.queue([told])
