"""Where telemetry goes when it is finished: a collector somewhere.

What a sink loses is lost: the journal, which loses nothing, is written without it. Not here: who
looks on at the journal (`taps`), what a person is told (`notify`).
"""

from collections.abc import Sequence
from typing import Protocol

from holdfast.core.spans import Span
from holdfast.model.gauges import Reading


class Sink(Protocol):
    """Takes what is finished, from any thread. Never raises, never waits for the receiver."""

    def spans(self, spans: Sequence[Span]) -> None:
        """Hand on finished calls, in the order in which they were given."""
        ...

    def readings(self, readings: Sequence[Reading]) -> None:
        """Hand on what gauges showed together."""
        ...

    @property
    def missing(self) -> int:
        """How many spans did not reach the receiver so far."""
        ...

    def close(self) -> None:
        """Hand on what waits, within a few seconds, and let go; idempotent. Blocks meanwhile.

        What is given afterwards is lost.
        """
        ...
