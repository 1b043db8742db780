"""A circuit breaker: after failures in a row nothing is sent for a while, then one call tries.

A call that is let through gets a ticket and reports with it; a report from before the last change
of state is stale and changes nothing, so that slow old calls cannot open or close it twice.
Not here: what counts as a failure (`runtime/reaching`), the journal.
"""

import enum

import msgspec


class BreakerState(enum.StrEnum):
    """Whether calls pass."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class BreakerLimits(msgspec.Struct, frozen=True, kw_only=True):
    """So many failures in a row open it; it stays open for `reset_ns`."""

    failures: int = 5
    reset_ns: int = 60_000_000_000


class Breaker:
    """One breaker; `True` from a report means that it opened or closed."""

    def __init__(self, limits: BreakerLimits) -> None:
        self._limits = limits
        self._opened_at_ns = 0
        self._epoch = 0
        self.state = BreakerState.CLOSED
        self.failures = 0

    def admits(self, now_ns: int) -> bool:
        """Whether `admit` would let a call through."""
        if self.state is BreakerState.OPEN:
            return now_ns - self._opened_at_ns >= self._limits.reset_ns
        return self.state is BreakerState.CLOSED

    def admit(self, now_ns: int) -> int | None:
        """A ticket, or None. An open one whose time is over lets a single call try."""
        if not self.admits(now_ns):
            return None
        if self.state is BreakerState.OPEN:
            self._become(BreakerState.HALF_OPEN)
        return self._epoch

    def wait_ns(self, now_ns: int) -> int:
        """Until a call may try; 0 when it may, or when one is trying now."""
        if self.state is not BreakerState.OPEN:
            return 0
        return max(self._opened_at_ns + self._limits.reset_ns - now_ns, 0)

    def answered(self, ticket: int) -> bool:
        """The provider began to answer: the call that tries closes it."""
        if ticket != self._epoch or self.state is not BreakerState.HALF_OPEN:
            return False
        self.failures = 0
        self._become(BreakerState.CLOSED)
        return True

    def completed(self, ticket: int) -> bool:
        """An answer came whole: earlier failures are forgotten."""
        changed = self.answered(ticket)
        if self.state is BreakerState.CLOSED:
            self.failures = 0
        return changed

    def failed(self, ticket: int, now_ns: int) -> bool:
        """One more failure; opens it at the limit, and at once when a single call was trying."""
        if ticket != self._epoch or self.state is BreakerState.OPEN:
            return False
        self.failures += 1
        if self.state is BreakerState.CLOSED and self.failures < self._limits.failures:
            return False
        self._opened_at_ns = now_ns
        self._become(BreakerState.OPEN)
        return True

    def forgotten(self, ticket: int) -> None:
        """The call left without an answer (cut, cancelled): whoever comes next may try."""
        if ticket == self._epoch and self.state is BreakerState.HALF_OPEN:
            self._become(BreakerState.OPEN)

    def _become(self, state: BreakerState) -> None:
        self.state = state
        self._epoch += 1
