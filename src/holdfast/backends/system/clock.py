"""Time that never runs backwards, and identifiers that cannot be guessed."""

import base64
import secrets
import time
from collections.abc import Callable

_JUMP_NS = 2_000_000_000
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = tuple(a + b for a in _ALPHABET for b in _ALPHABET)
_DRAWN = 64
_SHIFTS = tuple(range(120, -1, -10))


class SystemClock:
    """Wall time anchored once, carried on by the monotonic clock.

    A wall clock that is set while the server runs therefore opens no budget window early and
    lets no permit live longer; `jumped_ns` says how far the wall has moved away.
    """

    def __init__(
        self,
        *,
        floor_ns: int = 0,
        wall: Callable[[], int] = time.time_ns,
        steady: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._wall, self._steady = wall, steady
        self._steady_0 = steady()
        self._anchor = max(wall(), floor_ns)

    def not_before(self, floor_ns: int) -> None:
        """Never answer less than `floor_ns`: the newest time in the journal."""
        self._anchor += max(floor_ns - self.now_ns(), 0)

    def now_ns(self) -> int:
        """UTC nanoseconds since 1970."""
        return self._anchor + self._steady() - self._steady_0

    def jumped_ns(self) -> int:
        """How far wall time is off by now; 0 below two seconds."""
        off = self._wall() - self.now_ns()
        return off if abs(off) > _JUMP_NS else 0


class MovedClock(SystemClock):
    """The same, moved ahead by hand: what `jumped_ns` says of the wall is then how far."""

    def __init__(self) -> None:
        super().__init__()
        self._ahead_ns = 0

    def advance(self, ahead_ns: int) -> None:
        """Let that much time pass at once. Errors: ValueError for less than none."""
        if ahead_ns < 0:
            raise ValueError("a clock never runs backwards")
        self._ahead_ns += ahead_ns
        self.not_before(self.now_ns() + ahead_ns)

    def ahead_ns(self) -> int:
        """How far it was moved since it was made."""
        return self._ahead_ns


class SystemEntropy:
    """Identifiers and tokens from the operating system's generator."""

    def __init__(self) -> None:
        self._drawn: list[bytes] = []

    def new_id(self, prefix: str) -> str:
        """`prefix_` and 26 base32 characters: 128 bits."""
        if not self._drawn:
            # Many at a time: to ask the system costs as much as all the rest.
            many = secrets.token_bytes(16 * _DRAWN)
            self._drawn = [many[at : at + 16] for at in range(0, len(many), 16)]
        # 128 bits are 13 pairs of letters, the last bits zero: thrice as fast as `base64`.
        number = int.from_bytes(self._drawn.pop(), "big") << 2
        letters = "".join([_PAIRS[(number >> shift) & 1023] for shift in _SHIFTS])
        return f"{prefix}_{letters}"

    def new_token(self, prefix: str) -> str:
        """`prefix_` and 52 base32 characters: 256 bits, shown once."""
        return f"{prefix}_{base64.b32encode(secrets.token_bytes(32)).decode().rstrip('=').lower()}"
