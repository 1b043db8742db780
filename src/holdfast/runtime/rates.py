"""Waiting for a rate: who goes next, how long, and when it is not worth waiting.

Calls that find their buckets empty stand in line per upstream and model. Tenants take turns: one
that sends a hundred calls has one of them served for each of another's. Whoever waits for its own
tenant's rate lets the others pass.
Not here: the arithmetic (`core/rates`), money.
"""

import asyncio
from collections import deque
from collections.abc import Mapping

from holdfast.core.rates import Draw, Meters, Rates, longest_wait_ns
from holdfast.errors import RateLimited
from holdfast.ports.clock import Clock

ANY_MODEL = "*"


class _Waiter:
    __slots__ = ("draw", "own", "woken")

    def __init__(self, draw: Draw, own: Meters | None) -> None:
        self.draw = draw
        self.own = own
        self.woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class _Line:
    """Who waits for one model, by tenant, the next in turn first."""

    def __init__(self, meters: Meters | None) -> None:
        self.meters = meters
        self.waiting: dict[str, deque[_Waiter]] = {}
        self.timer: asyncio.TimerHandle | None = None


class Toll:
    """What one call has drawn by its bounds; corrected once it is known what it used."""

    def __init__(
        self, gate: "RateGate", line: _Line, meters: tuple[Meters, ...], draw: Draw
    ) -> None:
        self._gate = gate
        self._line = line
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
            one.draw(draw, self._gate.clock.now_ns())
        self._gate.pump(self._line)


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
    ) -> None:
        self.clock = clock
        now_ns = clock.now_ns()
        self._lines = {
            (upstream, model): _Line(Meters(rates, now_ns))
            for upstream, by_model in models.items()
            for model, rates in by_model.items()
        }
        self._tenants = {name: Meters(rates, now_ns) for name, rates in tenants.items()}
        self._alone = {name: _Line(None) for name in tenants}

    def _line(self, upstream: str, model: str, tenant: str) -> _Line | None:
        """Where a call would stand; None where no rate limits it."""
        line = self._lines.get((upstream, model)) or self._lines.get((upstream, ANY_MODEL))
        return line or self._alone.get(tenant)

    async def enter(
        self, upstream: str, model: str, tenant: str, draw: Draw, *, timeout_s: float
    ) -> Toll | None:
        """Draw, at once or in turn; None where no rate limits the call.

        Errors: RateLimited at the deadline, or at once when it must pass.
        """
        line = self._line(upstream, model, tenant)
        if line is None:
            return None
        own = self._tenants.get(tenant)
        meters = tuple(one for one in (line.meters, own) if one is not None)
        now_ns = self.clock.now_ns()
        if line.waiting or longest_wait_ns(meters, draw, now_ns):
            await self._stand(line, tenant, _Waiter(draw, own), meters, timeout_s, model)
        else:
            for one in meters:
                one.draw(draw, now_ns)
        return Toll(self, line, meters, draw)

    async def _stand(
        self,
        line: _Line,
        tenant: str,
        waiter: _Waiter,
        meters: tuple[Meters, ...],
        timeout_s: float,
        model: str,
    ) -> None:
        self._refuse_beyond(timeout_s, meters, waiter.draw, model)
        line.waiting.setdefault(tenant, deque()).append(waiter)
        self.pump(line)
        try:
            async with asyncio.timeout(timeout_s):
                await waiter.woken
        except BaseException as left:
            if waiter.woken.done() and not waiter.woken.cancelled():
                # Served in the very moment that it left.
                Toll(self, line, meters, waiter.draw).unsent()
            if not isinstance(left, TimeoutError):
                raise
            self._refuse_beyond(0.0, meters, waiter.draw, model)
            raise _limited(1.0, model) from None
        finally:
            self._leave(line, tenant, waiter)

    def _refuse_beyond(
        self, timeout_s: float, meters: tuple[Meters, ...], draw: Draw, model: str
    ) -> None:
        wait_s = longest_wait_ns(meters, draw, self.clock.now_ns()) / 1e9
        if wait_s > timeout_s:
            raise _limited(wait_s, model)

    def _leave(self, line: _Line, tenant: str, waiter: _Waiter) -> None:
        queue = line.waiting.get(tenant)
        if queue is not None and waiter in queue:
            queue.remove(waiter)
            if not queue:
                del line.waiting[tenant]
            self.pump(line)

    def pump(self, line: _Line) -> None:
        """Serve whom the buckets can, in turn; see again when the next may have room."""
        if line.timer is not None:
            line.timer.cancel()
            line.timer = None
        least_ns = self._serve(line)
        while least_ns == 0:
            least_ns = self._serve(line)
        if least_ns is not None:
            loop = asyncio.get_running_loop()
            line.timer = loop.call_later(least_ns / 1e9, self.pump, line)

    def _serve(self, line: _Line) -> int | None:
        """Serve one; 0 when one was, else the wait until somebody may be; None with nobody."""
        now_ns, least_ns = self.clock.now_ns(), None
        for tenant, queue in line.waiting.items():
            head = queue[0]
            own_ns = head.own.wait_ns(head.draw, now_ns) if head.own is not None else 0
            model_ns = line.meters.wait_ns(head.draw, now_ns) if line.meters is not None else 0
            wait_ns = max(own_ns, model_ns)
            if wait_ns == 0:
                self._take(line, tenant, head, now_ns)
                return 0
            least_ns = wait_ns if least_ns is None else min(least_ns, wait_ns)
            if own_ns == 0:
                break  # It is this one's turn at the model; smaller calls do not overtake it.
        return least_ns

    def _take(self, line: _Line, tenant: str, head: _Waiter, now_ns: int) -> None:
        queue = line.waiting.pop(tenant)
        queue.popleft()
        if queue:
            line.waiting[tenant] = queue
        if head.woken.done():
            return  # It has left, and draws nothing.
        for one in (line.meters, head.own):
            if one is not None:
                one.draw(head.draw, now_ns)
        head.woken.set_result(None)


def _limited(wait_s: float, model: str) -> RateLimited:
    return RateLimited(
        f"rate_limited: the rate of `{model[:100]}` or of this tenant has no room in time",
        retry_after_s=round(wait_s, 3),
    )
