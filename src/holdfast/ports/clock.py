"""Time and randomness as the server sees them, so that tests can hold them still."""

from typing import Protocol


class Clock(Protocol):
    """Never runs backwards."""

    def now_ns(self) -> int:
        """UTC nanoseconds since 1970, rising across the life of the process."""
        ...


class WallClock(Clock, Protocol):
    """The clock of a whole server, which goes on from the last one's journal."""

    def not_before(self, floor_ns: int) -> None:
        """Never answer less than `floor_ns`: the newest time in the journal."""
        ...

    def jumped_ns(self) -> int:
        """How far the machine's own time is off by now, since somebody set it; 0 where it is not.

        `now_ns` goes on by itself whatever is set.
        """
        ...


class SettableClock(WallClock, Protocol):
    """The clock of a server that is tried out: people move it, forwards only."""

    def advance(self, ahead_ns: int) -> None:
        """Let that much time pass at once. Errors: ValueError for less than none."""
        ...

    def ahead_ns(self) -> int:
        """How far it was moved since the server started."""
        ...


class Entropy(Protocol):
    """Unpredictable identifiers."""

    def new_id(self, prefix: str) -> str:
        """`ses_…`: prefix, underscore, 26 lower-case base32 characters (128 bits)."""
        ...

    def new_token(self, prefix: str) -> str:
        """`hfs_…`: prefix, underscore, 52 lower-case base32 characters (256 bits)."""
        ...
