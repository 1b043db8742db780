"""The journal's tap that makes spans: a thread behind a bounded queue, nothing on the hot path.

Seeing a batch puts it into a queue; the thread folds records into spans and gives them to the
sink. What does not fit is dropped and counted: the journal has it all the same.

Not here: what a span says (`core/spans`), sending (`ports/sink`).
"""

import threading
from collections.abc import Callable, Collection, Sequence
from functools import partial
from queue import Empty, SimpleQueue
from typing import NamedTuple

from holdfast.core.spans import Span, SpanFold
from holdfast.model.events import Record
from holdfast.ports.clock import Clock
from holdfast.ports.sink import Sink

_TICK_S = 1.0
_JOIN_S = 2.0
_FOREVER_NS = 2**63 - 1


class _Recalled(NamedTuple):
    """What is open in a session of before; see `ports.taps.Tap`."""

    records: Sequence[Record]
    over: Collection[str]


class SpanTap:
    """Folds what it saw into spans; at most `most_batches` of records wait.

    `close` it from outside the event loop, before its sink.
    """

    def __init__(
        self, sink: Sink, clock: Clock, say: Callable[[str], None], *, most_batches: int = 10_000
    ) -> None:
        self._sink = sink
        self._clock = clock
        self._say = say
        self._most_batches = most_batches
        self._batches: SimpleQueue[_Recalled | Sequence[Record] | None] = SimpleQueue()
        self._closed = False
        self.dropped = 0
        """Records that were not looked at."""
        self._thread = threading.Thread(target=self._fold, name="holdfast-spans", daemon=True)
        self._thread.start()

    def saw(self, records: Sequence[Record]) -> None:
        """Queue a batch; dropped and counted when too many wait."""
        self._queue(records, len(records))

    def recalled(self, records: Sequence[Record], over: Collection[str]) -> None:
        """Queue what is open in a session of before, ahead of what comes of it."""
        self._queue(_Recalled(records, over), len(records))

    def _queue(self, batch: _Recalled | Sequence[Record], records: int) -> None:
        if self._batches.qsize() >= self._most_batches:
            self.dropped += records
        else:
            self._batches.put(batch)

    def close(self) -> None:
        """Fold what waits, within a few seconds, and let go; idempotent."""
        if self._closed:
            return
        self._closed = True
        self._batches.put(None)
        self._thread.join(_JOIN_S)
        if self.dropped:
            self._say(f"no spans were made of {self.dropped} records; the journal has them")

    def _fold(self) -> None:
        fold = SpanFold()
        while True:
            try:
                batch = self._batches.get(timeout=_TICK_S)
            except Empty:
                batch = ()
            if batch is None:
                self._sink.spans(fold.lapse(_FOREVER_NS))
                return
            if isinstance(batch, _Recalled):
                self._send(partial(fold.recall, *batch))
                continue
            for record in batch:
                self._send(partial(fold.see, record))
            self._sink.spans(fold.lapse(self._clock.now_ns()))

    def _send(self, made: Callable[[], list[Span]]) -> None:
        try:
            self._sink.spans(made())
        except Exception as error:  # noqa: BLE001 -- one odd record must not end telemetry
            self.dropped += 1
            self._say(f"no span was made of a record: {type(error).__name__}")
