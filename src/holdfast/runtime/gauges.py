"""The gauges of this server: whoever has a number registers it, and all are read together.

Not here: where readings go (`ports/sink`), which numbers there are (`compose/gauges`, and whoever
has more).
"""

from collections.abc import Callable

from holdfast.model.gauges import Gauge, Reading
from holdfast.ports.clock import Clock
from holdfast.ports.sink import Sink

EVERY_S = 15
_NS = 1_000_000_000


class Gauges:
    """Reads every gauge each `EVERY_S` seconds, where there is a sink for what they show."""

    def __init__(self, clock: Clock, sink: Sink | None, say: Callable[[str], None]) -> None:
        self._clock = clock
        self._sink = sink
        self._say = say
        self._known: dict[str, Gauge] = {}
        self._faulty: set[str] = set()
        self._due_ns = 0

    def register(self, gauge: Gauge) -> None:
        """From now on it is read. Errors: ValueError for a name that is taken."""
        if gauge.name in self._known:
            raise ValueError(f"there is a gauge `{gauge.name}` already")
        self._known[gauge.name] = gauge

    def read(self) -> tuple[Reading, ...]:
        """What all of them show now; one that cannot be read is left out, which is said once."""
        at_ns = self._clock.now_ns()
        found = ((gauge, self._value(gauge)) for gauge in self._known.values())
        return tuple(
            Reading(
                name=gauge.name,
                unit=gauge.unit,
                description=gauge.description,
                value=value,
                at_ns=at_ns,
            )
            for gauge, value in found
            if value is not None
        )

    def _value(self, gauge: Gauge) -> float | None:
        try:
            value = gauge.read()
        except Exception as error:  # noqa: BLE001 -- one odd gauge must not hide the others
            if gauge.name not in self._faulty:
                self._faulty.add(gauge.name)
                self._say(f"the gauge `{gauge.name}` cannot be read: {type(error).__name__}")
            return None
        self._faulty.discard(gauge.name)
        return value

    def tick(self) -> None:
        """Hand on what they show, where it is time; called about once a second."""
        now_ns = self._clock.now_ns()
        if self._sink is not None and now_ns >= self._due_ns:
            self._due_ns = now_ns + EVERY_S * _NS
            self._sink.readings(self.read())
