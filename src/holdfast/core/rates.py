"""Token buckets: how many requests and tokens a minute a model or a tenant may draw.

Integers only. A bucket holds a minute's worth, unless it is made for another time, and refills
evenly; what is drawn beyond what it holds (a single call larger than a minute's worth, a correction
once the provider has counted) leaves it in debt, and nobody draws from it until the debt is paid.
Not here: who waits, and in what order (`runtime/rates`).
"""

from collections.abc import Iterable

import msgspec

NS_PER_MIN = 60_000_000_000


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """What may be drawn a minute; None leaves it open."""

    requests: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None


class Draw(msgspec.Struct, frozen=True):
    """What one call draws: requests, tokens of input and of output."""

    requests: int
    input_tokens: int
    output_tokens: int


class Bucket:
    """`most` pieces, and as many again every `every_ns`: a minute, unless said otherwise.

    Levels are pieces times nanoseconds of that time, so that refilling is exact.
    """

    __slots__ = ("_at_ns", "_every_ns", "_level", "most")

    def __init__(self, most: int, now_ns: int, every_ns: int = NS_PER_MIN) -> None:
        self.most = most
        self._every_ns = every_ns
        self._level = most * every_ns
        self._at_ns = now_ns

    def _refill(self, now_ns: int) -> None:
        passed = now_ns - self._at_ns
        if passed > 0:
            full = self.most * self._every_ns
            self._level = min(full, self._level + passed * self.most)
            self._at_ns = now_ns

    def wait_ns(self, pieces: int, now_ns: int) -> int:
        """Nanoseconds until `pieces` may be drawn, 0 for now; more than it holds needs it full."""
        self._refill(now_ns)
        lacking = min(pieces, self.most) * self._every_ns - self._level
        return -(-lacking // self.most) if lacking > 0 and pieces > 0 else 0

    def draw(self, pieces: int, now_ns: int) -> None:
        """Take `pieces`, into debt where they are not there; negative gives back."""
        self._refill(now_ns)
        full = self.most * self._every_ns
        self._level = min(full, self._level - pieces * self._every_ns)


class Meters:
    """The buckets of one model or one tenant, drawn from together."""

    def __init__(self, rates: Rates, now_ns: int) -> None:
        named = ((name, getattr(rates, name)) for name in Draw.__struct_fields__)
        self._buckets = {
            name: Bucket(per_minute, now_ns) for name, per_minute in named if per_minute is not None
        }

    def wait_ns(self, draw: Draw, now_ns: int) -> int:
        """Nanoseconds until all of `draw` may be drawn; 0 for now."""
        waits = (b.wait_ns(getattr(draw, name), now_ns) for name, b in self._buckets.items())
        return max(waits, default=0)

    def draw(self, draw: Draw, now_ns: int) -> None:
        """Take all of it."""
        for name, bucket in self._buckets.items():
            bucket.draw(getattr(draw, name), now_ns)


def longest_wait_ns(meters: Iterable[Meters], draw: Draw, now_ns: int) -> int:
    """Until every one of `meters` has room."""
    return max((one.wait_ns(draw, now_ns) for one in meters), default=0)
