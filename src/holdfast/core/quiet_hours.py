"""Hours of every day in which people are not to be disturbed, in their own time zone.

Not here: what is held back meanwhile (`runtime/receivers`).
"""

from datetime import UTC, datetime, time, timedelta

import msgspec

_NS = 1_000_000_000


class QuietHours(msgspec.Struct, frozen=True, kw_only=True):
    """From `start` until `end` o'clock, over midnight where `end` is earlier; equal is never."""

    start: time
    end: time
    zone: str = "UTC"

    def until_ns(self, at_ns: int) -> int:
        """When the hours are over that this moment is within; 0 for one outside of them.

        Where clocks are put forward over the end, that is the first moment after it.
        """
        from zoneinfo import ZoneInfo  # noqa: PLC0415 -- few have quiet hours

        at = datetime.fromtimestamp(at_ns / _NS, UTC).astimezone(ZoneInfo(self.zone))
        now = at.time()
        if self.start <= self.end:
            within, days = self.start <= now < self.end, 0
        else:
            within, days = now >= self.start or now < self.end, int(now >= self.start)
        if not within:
            return 0
        over = datetime.combine(at.date() + timedelta(days=days), self.end, at.tzinfo)
        return max(int(over.timestamp()) * _NS, at_ns + 1)
