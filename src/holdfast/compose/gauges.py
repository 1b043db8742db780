"""What is measured of every house, once: a gauge a line.

Parts that not every house has register their own (`apps/server/relays`). Not here: when gauges are
read (`runtime/gauges`), what the journal tells already.
"""

from holdfast.model.gauges import Gauge
from holdfast.ports.sink import Sink
from holdfast.runtime.services import Services


def gauges(services: Services) -> tuple[Gauge, ...]:
    """Those of sessions and money."""
    sessions, budgets = services.sessions, services.budgets
    return (
        Gauge(
            name="holdfast.sessions.loaded",
            unit="{session}",
            description="sessions in memory",
            read=lambda: sum(1 for _ in sessions.in_memory()),
        ),
        Gauge(
            name="holdfast.streams.open",
            unit="{stream}",
            description="answers that stream to clients",
            read=lambda: sum(len(live.streams) for live in sessions.in_memory()),
        ),
        Gauge(
            name="holdfast.holds.open",
            unit="{hold}",
            description="holds on accounts that are not settled",
            read=lambda: len(budgets.ledger.open_holds()),
        ),
    )


def lost_spans(sink: Sink) -> Gauge:
    """That of the sink itself."""
    return Gauge(
        name="holdfast.spans.lost",
        unit="{span}",
        description="spans that did not reach the receiver since the start",
        read=lambda: sink.missing,
    )
