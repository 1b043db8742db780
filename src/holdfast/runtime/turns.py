"""Turns at the guard: how many decisions are at work at a time, and whose is next.

One event loop and one policy process serve every tenant, so whatever one tenant has at work stands
before the next one's. While others are about, a tenant has few decisions at work; the rest of its
own wait here, where they cost nobody anything. A tenant that is alone has as many as are worth
working at together. Whoever finds no room stands in line, and tenants take turns.

A place is given back when the decision is made, or after `turn_s`: what lasts longer waits for
something else (a hook, the disk, a parser's thread), and must not keep others from the loop.
Not here: the line itself (`runtime/waiting`), how what is refused is told (`runtime/turned_away`),
rates of model calls (`runtime/rates`), turns of runs (`runtime/dispatch`). Nothing else stands in
this line: kills, outcomes and heartbeats pass it by.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import msgspec

from holdfast.core.rates import Bucket
from holdfast.errors import RateLimited
from holdfast.ports.clock import Clock
from holdfast.runtime.turned_away import Tell, TurnedAway
from holdfast.runtime.waiting import NotYet, Waiting

_NS = 1_000_000_000


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """How much is at work, and how much waits.

    `at_work`: decisions of all tenants together; `beside`: of one tenant, while another one has
    asked for anything in the last `near_s`. `waiting`: in line, of one tenant, for `wait_s` at
    most. `turn_s`: after that long a decision no longer counts as at work.
    """

    at_work: int = 32
    beside: int = 2
    near_s: float = 10.0
    waiting: int = 1_000
    wait_s: float = 5.0
    turn_s: float = 0.025


class _Place:
    """One decision's place among those at work."""

    __slots__ = ("_held", "_lapse", "_tenant", "_turns")

    def __init__(self, turns: "Turns", tenant: str, turn_s: float) -> None:
        self._turns = turns
        self._tenant = tenant
        self._held = True
        self._lapse = asyncio.get_running_loop().call_later(turn_s, self.give_back)

    def give_back(self) -> None:
        """Let the next one in; idempotent."""
        if self._held:
            self._held = False
            self._lapse.cancel()
            self._turns.left(self._tenant)


class Turns:
    """Who may be decided for now. `per_s` are most decisions a second by tenant; others have none.

    A tenant with a rate may have a second's worth at once.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        tell: Tell,
        per_s: Mapping[str, int] | None = None,
        bounds: Bounds | None = None,
    ) -> None:
        self._clock = clock
        self._away = TurnedAway(tell)
        self._bounds = bounds or Bounds()
        now_ns = clock.now_ns()
        self._buckets = {name: Bucket(n, now_ns, _NS) for name, n in (per_s or {}).items()}
        self._line = Waiting[str, None, _Place](self._let_in, lambda _, place: place.give_back())
        self._at_work: dict[str, int] = {}
        self._all_at_work = 0
        # Who asked last, and the last one before that was somebody else: tenant, when.
        self._last = ("", 0)
        self._other = ("", 0)

    def seen(self, tenant: str) -> None:
        """A tenant asked for something, a decision or not: others leave it room from now on."""
        if self._last[0] != tenant:
            self._other = self._last
        self._last = (tenant, self._clock.now_ns())

    def beside_others(self, tenant: str) -> bool:
        """Whether another tenant asked for anything a moment ago."""
        return self._beside_others(tenant, self._clock.now_ns())

    def waiting(self, tenant: str) -> int:
        """How many of a tenant's decisions stand in line."""
        return self._line.count(tenant)

    @asynccontextmanager
    async def turn(self, tenant: str) -> AsyncIterator[None]:
        """Work at one decision, at once or in turn.

        Errors: RateLimited when the tenant has too many in line, or at the deadline, or at once
        when its rate leaves no room before that.
        """
        place = await self._enter(tenant)
        try:
            yield
        finally:
            place.give_back()

    async def _enter(self, tenant: str) -> _Place:
        self.seen(tenant)
        place = self._line.now(tenant, None)
        if not isinstance(place, NotYet):
            return place
        self._refuse_in_vain(tenant)
        try:
            return await self._line.stand(tenant, None, timeout_s=self._bounds.wait_s)
        except TimeoutError:
            raise self._refusal(tenant, "its turn did not come in time", 1.0) from None

    def _refuse_in_vain(self, tenant: str) -> None:
        ahead = self.waiting(tenant)
        if ahead >= self._bounds.waiting:
            raise self._refusal(tenant, f"{ahead} of its decisions are in line", 1.0)
        bucket = self._buckets.get(tenant)
        if bucket is None:
            return
        wait_s = bucket.wait_ns(1, self._clock.now_ns()) / _NS + ahead / bucket.most
        if wait_s > self._bounds.wait_s:
            why = f"its {bucket.most} a second leave no room in time"
            raise self._refusal(tenant, why, wait_s)

    def _refusal(self, tenant: str, why: str, wait_s: float) -> RateLimited:
        self._away.count(tenant)
        return RateLimited(
            f"this tenant asks for decisions faster than they are made; {why}",
            retry_after_s=round(wait_s, 3),
        )

    def _let_in(self, tenant: str, _: None) -> "_Place | NotYet":
        """A place among those at work, where there is one for this tenant."""
        bounds, now_ns = self._bounds, self._clock.now_ns()
        if self._all_at_work >= bounds.at_work:
            return NotYet(before_all=True)
        of_it = self._at_work.get(tenant, 0)
        if of_it >= bounds.beside and self._beside_others(tenant, now_ns):
            return NotYet()
        bucket = self._buckets.get(tenant)
        if bucket is not None:
            if wait_ns := bucket.wait_ns(1, now_ns):
                return NotYet(wait_ns)
            bucket.draw(1, now_ns)
        self._all_at_work += 1
        self._at_work[tenant] = of_it + 1
        return _Place(self, tenant, bounds.turn_s)

    def _beside_others(self, tenant: str, now_ns: int) -> bool:
        name, at_ns = self._other if self._last[0] == tenant else self._last
        return bool(name) and now_ns - at_ns < self._bounds.near_s * _NS

    def left(self, tenant: str) -> None:
        """A place of this tenant is free."""
        self._all_at_work -= 1
        self._at_work[tenant] -= 1
        if not self._at_work[tenant]:
            del self._at_work[tenant]
        self._line.pump()
