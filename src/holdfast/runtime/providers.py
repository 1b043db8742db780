"""A provider as the gateway holds it: its keys, each behind a breaker, and what to do in trouble.

Not here: sending and trying again (`runtime/reaching`), rates (`runtime/rates`).
"""

from collections.abc import Collection, Sequence

from holdfast.core.breaker import BreakerLimits, BreakerState
from holdfast.core.wire.takes import ALL, Takes
from holdfast.model.upstreams import Fallback, Retries, Trouble
from holdfast.ports.llm import Cleared, Upstream, UpstreamAnswer
from holdfast.runtime.doors import Asker, Door, Ticket

_FREE_TIMEOUT_S = 60.0
# While a call waits for it.
_COUNT_TIMEOUT_S = 10.0
_COUNT_BYTES_MAX = 64 * 1024
NO_RETRIES = Retries(attempts=0)


class Provider:
    """One upstream: a door for each of its keys, used in turn.

    `max_tokens_per_s` is the most that any model there writes; `spare` are further keys; `takes`
    says what of a request goes there.
    """

    def __init__(  # noqa: PLR0913 - each is a setting of its own
        self,
        upstream: Upstream,
        max_tokens_per_s: int | None = None,
        *,
        name: str = "",
        spare: Sequence[Upstream] = (),
        retries: Retries = NO_RETRIES,
        fallbacks: Sequence[Fallback] = (),
        breaker: BreakerLimits | None = None,
        queue_s: float = 30.0,
        takes: Takes = ALL,
    ) -> None:
        self.upstream = upstream
        self.max_tokens_per_s = max_tokens_per_s
        self.name = name
        self.retries = retries
        self.fallbacks = tuple(fallbacks)
        self.queue_s = queue_s
        self.takes = takes
        self.doors = tuple(
            Door(f"key {number}", one, breaker) for number, one in enumerate((upstream, *spare), 1)
        )
        # What went wrong last, for calls that are refused without being sent.
        self.trouble = Trouble.UPSTREAM
        self._next = 0

    def pick(
        self, now_ns: int, asker: Asker, tried: Collection[Door] = ()
    ) -> tuple[Door, Ticket] | None:
        """The next door that lets a call through, and the ticket to report with."""
        count = len(self.doors)
        for step in range(count):
            place = (self._next + step) % count
            door = self.doors[place]
            if door in tried:
                continue
            ticket = door.admit(now_ns, asker)
            if ticket is not None:
                self._next = (place + 1) % count
                return door, ticket
        return None

    def admits(self, now_ns: int, asker: Asker, tried: Collection[Door] = ()) -> bool:
        """Whether some door outside `tried` would let a call through."""
        return any(door.admits(now_ns, asker) for door in self.doors if door not in tried)

    def free(self, now_ns: int) -> Upstream:
        """The key for what costs nothing: one that works, if any does."""
        sound = (d.upstream for d in self.doors if d.state is BreakerState.CLOSED)
        return next(sound, self.upstream)

    async def ask_free(
        self, now_ns: int, cleared: Cleared, *, timeout_s: float = _FREE_TIMEOUT_S
    ) -> UpstreamAnswer:
        """Send what costs nothing: a count, a read of a list. Errors: UpstreamUnavailable."""
        return await self.free(now_ns).send(cleared, timeout_s=timeout_s)

    async def counted(self, now_ns: int, cleared: Cleared) -> bytes | None:
        """The answer to a count of ours; None where it is none. Errors: UpstreamUnavailable."""
        answer = await self.ask_free(now_ns, cleared, timeout_s=_COUNT_TIMEOUT_S)
        try:
            raw = await answer.read(_COUNT_BYTES_MAX)
        finally:
            answer.close()
        return raw if answer.status == 200 else None

    def wait_s(self, now_ns: int, asker: Asker) -> float:
        """Seconds until some door may let a call try."""
        waits = (door.wait_ns(now_ns, asker) for door in self.doors)
        return min(waits, default=0) / 1e9

    async def close(self) -> None:
        """Close the idle connections of every key."""
        for door in self.doors:
            await door.upstream.close()
