"""Relays beside the server: how many are here, and where clients find them.

Not here: what serves them (`relaying`), which is loaded where there are to be any.
"""

import asyncio
from collections.abc import Callable, Collection
from typing import Protocol

from holdfast.apps.control.deps import RelaysHere
from holdfast.apps.server.tasks import RelayProcesses
from holdfast.errors import Unavailable
from holdfast.model.gauges import Gauge
from holdfast.runtime.gauges import Gauges

_START_S = 20.0


class Desk(Protocol):
    """Where relays ask (`runtime/relays/owner`)."""

    changed: Callable[[], None]

    @property
    def pids(self) -> Collection[int]:
        """Processes of those that are here."""
        ...

    def tick(self) -> None:
        """About once a second."""
        ...


class Relays:
    """The relays of one server. `port` is where clients find them; 0 where there are none."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.port = 0
        self.desk: Desk | None = None
        self.processes: RelayProcesses | None = None

    def here(self) -> RelaysHere:
        """How many are to be here, and how many are."""
        return RelaysHere(self._count, len(self.desk.pids) if self.desk is not None else 0)

    def measured(self, gauges: Gauges) -> None:
        """Have it read how many are here, where there are to be any."""
        if self._count:
            gauges.register(
                Gauge(
                    name="holdfast.relays.here",
                    unit="{process}",
                    description="processes that serve the model's door beside the server",
                    read=lambda: self.here().here,
                )
            )

    def tick(self) -> None:
        """About once a second."""
        if self.desk is not None:
            self.desk.tick()

    async def start(self) -> None:
        """Start them all. Errors: Unavailable when one ends, or does not come in time."""
        if self.processes is None or self.desk is None:
            return
        settled: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def settle(fault: str) -> None:
            if not settled.done():
                settled.set_result(fault)

        def changed() -> None:
            if self.here().here >= self._count:
                settle("")

        def ended(code: int) -> None:
            settle(f"a gateway process ended with {code} while it started")

        self.desk.changed, self.processes.on_end = changed, ended
        self.processes.start()
        try:
            async with asyncio.timeout(_START_S):
                fault = await settled
        except TimeoutError:
            wanted, here = self.here()
            fault = f"{here} of {wanted} gateway processes started in {_START_S:g} s"
        if fault:
            raise Unavailable(fault)

    async def end(self) -> None:
        """End them while the server still answers, so that they settle; idempotent."""
        if self.processes is not None:
            await self.processes.end()
