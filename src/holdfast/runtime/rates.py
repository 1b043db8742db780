"""Waiting for a rate: who goes next, how long, and when it is not worth waiting.

Calls that find their buckets empty stand in line per upstream and model. Tenants take turns: one
that sends a hundred calls has one of them served for each of another's. Whoever waits for its own
tenant's rate lets the others pass.
Not here: the line itself (`runtime/waiting`), the arithmetic (`core/rates`), money.
"""

from collections.abc import Callable, Mapping

import msgspec

from holdfast.core.rates import Bucket, Draw, Meters, Rates, longest_wait_ns
from holdfast.errors import RateLimited
from holdfast.ports.clock import Clock
from holdfast.runtime.turned_away import TurnedAway
from holdfast.runtime.waiting import NotYet, Waiting

ANY_MODEL = "*"


class _Wanted(msgspec.Struct, frozen=True):
    """What one call wants to draw, and the meters of its tenant."""

    draw: Draw
    own: tuple[Meters, ...]


class Toll:
    """What one call has drawn by its bounds; corrected once it is known what it used."""

    def __init__(
        self, clock: Clock, pump: Callable[[], None], meters: tuple[Meters, ...], draw: Draw
    ) -> None:
        self._clock = clock
        self._pump = pump
        self._meters = meters
        self._draw: Draw | None = draw

    def again(self) -> None:
        """One more request for the same call: it counts, though nobody waits for it."""
        self._move(Draw(1, 0, 0))

    def used(self, input_tokens: int, output_tokens: int) -> None:
        """Replace the bounds by what was used; the first time counts."""
        drawn, self._draw = self._draw, None
        if drawn is not None:
            unused = (input_tokens - drawn.input_tokens, output_tokens - drawn.output_tokens)
            self._move(Draw(0, *unused))

    def unsent(self) -> None:
        """Give all of it back: nothing was sent."""
        drawn, self._draw = self._draw, None
        if drawn is not None:
            self._move(Draw(-drawn.requests, -drawn.input_tokens, -drawn.output_tokens))

    def _move(self, draw: Draw) -> None:
        for one in self._meters:
            one.draw(draw, self._clock.now_ns())
        self._pump()


class _Gate:
    """One model's meters, or none where its tenant's own are all, and who waits for them."""

    def __init__(self, clock: Clock, *meters: Meters) -> None:
        self._clock = clock
        self._meters = meters
        self.line = Waiting[str, _Wanted, Toll](self._serve, lambda _, toll: toll.unsent())

    def wait_ns(self, wanted: _Wanted) -> int:
        """Nanoseconds until there may be room; 0 for now."""
        return longest_wait_ns((*self._meters, *wanted.own), wanted.draw, self._clock.now_ns())

    def _serve(self, _: str, wanted: _Wanted) -> Toll | NotYet:
        now_ns = self._clock.now_ns()
        if wait_ns := self.wait_ns(wanted):
            # Its turn at the model: smaller calls do not overtake it. Its own rate holds up nobody.
            its_turn = longest_wait_ns(wanted.own, wanted.draw, now_ns) == 0
            return NotYet(wait_ns, before_all=its_turn)
        meters = (*self._meters, *wanted.own)
        for one in meters:
            one.draw(wanted.draw, now_ns)
        return Toll(self._clock, self.line.pump, meters, wanted.draw)


class RateGate:
    """The rates of every upstream's models and of every tenant.

    `models` maps an upstream to rates by model; `*` is shared by all models not named there.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        models: Mapping[str, Mapping[str, Rates]],
        tenants: Mapping[str, Rates],
        away: TurnedAway,
    ) -> None:
        self._away = away
        now_ns = clock.now_ns()
        self._gates = {
            (upstream, model): _Gate(clock, Meters(rates, now_ns))
            for upstream, by_model in models.items()
            for model, rates in by_model.items()
        }
        self._tenants = {name: Meters(rates, now_ns) for name, rates in tenants.items()}
        self._alone = {name: _Gate(clock) for name in tenants}

    def _gate(self, upstream: str, model: str, tenant: str) -> _Gate | None:
        """Where a call would stand; None where no rate limits it."""
        gate = self._gates.get((upstream, model)) or self._gates.get((upstream, ANY_MODEL))
        return gate or self._alone.get(tenant)

    async def enter(
        self, upstream: str, model: str, tenant: str, draw: Draw, *, timeout_s: float
    ) -> Toll | None:
        """Draw, at once or in turn; None where no rate limits the call.

        Errors: RateLimited at the deadline, or at once when it must pass.
        """
        gate = self._gate(upstream, model, tenant)
        if gate is None:
            return None
        own = self._tenants.get(tenant)
        wanted = _Wanted(draw, (own,) if own is not None else ())
        toll = gate.line.now(tenant, wanted)
        if not isinstance(toll, NotYet):
            return toll
        wait_s = gate.wait_ns(wanted) / 1e9
        if wait_s > timeout_s:
            raise self._limited(tenant, wait_s, model)
        try:
            return await gate.line.stand(tenant, wanted, timeout_s=timeout_s)
        except TimeoutError:
            raise self._limited(tenant, gate.wait_ns(wanted) / 1e9 or 1.0, model) from None

    def _limited(self, tenant: str, wait_s: float, model: str) -> RateLimited:
        self._away.count(tenant)
        return RateLimited(
            f"rate_limited: the rate of `{model[:100]}` or of this tenant has no room in time",
            retry_after_s=round(wait_s, 3),
        )


class Share:
    """What a tenant may ask of the models' door a second while others are about: `per_s` by tenant.

    Alone it has all that the server gives. Half a second's worth may come at once, and what is more
    is refused before it costs anything: a line would only make the others' calls wait behind it.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        beside: Callable[[str], bool],
        per_s: Mapping[str, int],
        away: TurnedAway,
    ) -> None:
        self._clock = clock
        self._away = away
        self._beside = beside
        now_ns = clock.now_ns()
        self._buckets = {
            name: Bucket(max(n // 2, 1), now_ns, 500_000_000 if n > 1 else 1_000_000_000)
            for name, n in per_s.items()
        }

    def enter(self, tenant: str) -> None:
        """Draw one call, where it has to. Errors: RateLimited."""
        bucket = self._buckets.get(tenant)
        if bucket is None or not self._beside(tenant):
            return
        now_ns = self._clock.now_ns()
        if wait_ns := bucket.wait_ns(1, now_ns):
            self._away.count(tenant)
            raise RateLimited(
                "rate_limited: this tenant asks models for more a second than its share beside "
                "others (`max_model_calls_per_s`)",
                retry_after_s=round(wait_ns / 1e9, 3),
            )
        bucket.draw(1, now_ns)
