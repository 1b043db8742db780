"""The Sink port in memory: what was handed on is there to be looked at."""

from collections.abc import Sequence

from holdfast.core.spans import Span
from holdfast.model.gauges import Reading


class MemorySink:
    """Keeps everything until it is closed; what comes later is `missing`."""

    def __init__(self) -> None:
        self.kept: list[Span] = []
        self.shown: list[tuple[Reading, ...]] = []
        self.missing = 0
        self.closed = False

    def spans(self, spans: Sequence[Span]) -> None:
        """Keep them."""
        if self.closed:
            self.missing += len(spans)
        else:
            self.kept.extend(spans)

    def readings(self, readings: Sequence[Reading]) -> None:
        """Keep them."""
        if not self.closed:
            self.shown.append(tuple(readings))

    def close(self) -> None:
        """Keep nothing more."""
        self.closed = True
