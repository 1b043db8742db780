"""Time that a test holds still, and identifiers that come in order."""

import base64
import itertools

START_NS = 1_795_000_000_000_000_000
"""November 2026; where a fake clock begins unless told otherwise."""


class FakeClock:
    """The WallClock port: stands still until `advance` moves it, forwards only.

    `off_by_ns` is how far somebody set the machine's own time away from it.
    """

    def __init__(self, now_ns: int = START_NS) -> None:
        self._now_ns = now_ns
        self.off_by_ns = 0

    def now_ns(self) -> int:
        """UTC nanoseconds since 1970."""
        return self._now_ns

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass. Errors: ValueError for less than none."""
        if seconds < 0:
            raise ValueError("a clock never runs backwards")
        self._now_ns += round(seconds * 1_000_000_000)

    def not_before(self, floor_ns: int) -> None:
        """Go on from `floor_ns` where that is later."""
        self._now_ns = max(self._now_ns, floor_ns)

    def jumped_ns(self) -> int:
        """`off_by_ns`."""
        return self.off_by_ns


class SequentialEntropy:
    """The Entropy port: well-formed and unique, but anybody can guess the next one."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def new_id(self, prefix: str) -> str:
        """`prefix_` and 26 base32 characters."""
        return f"{prefix}_{self._letters(16)}"

    def new_token(self, prefix: str) -> str:
        """`prefix_` and 52 base32 characters."""
        return f"{prefix}_{self._letters(32)}"

    def _letters(self, size: int) -> str:
        raw = next(self._numbers).to_bytes(size, "big")
        return base64.b32encode(raw).decode().rstrip("=").lower()
