"""The journal's tap that sends spans: two threads behind bounded queues, nothing on the hot path.

Seeing a batch puts it into a queue. One thread folds records into spans, so that a receiver that
hangs does not make it fall behind; another sends them in batches. What does not fit is dropped and
counted, and what a receiver refuses is lost: the journal has it all the same.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from queue import Empty, SimpleQueue

from opentelemetry.exporter.otlp.proto.http import trace_exporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from holdfast.backends.otlp.encoding import readable
from holdfast.core.spans import Span, SpanFold
from holdfast.model.events import Record
from holdfast.ports.clock import Clock

_TIMEOUT_S = 5.0
_TICK_S = 1.0
_LINGER_S = 0.2
_JOIN_S = 2.0
_FOREVER_NS = 2**63 - 1

Say = Callable[[str], None]


def over_http(endpoint: str, headers: Mapping[str, str]) -> SpanExporter:
    """An exporter to `endpoint`, the whole address (`…/v1/traces`)."""
    # A receiver that is away is told once, in our words, and not for every batch.
    logging.getLogger(trace_exporter.__name__).setLevel(logging.CRITICAL)
    return trace_exporter.OTLPSpanExporter(
        endpoint=endpoint, headers=dict(headers), timeout=_TIMEOUT_S
    )


class OtlpTap:
    """Folds what it saw into spans and exports them. `close` it from outside the event loop.

    `most_batches` of records and `most_spans` wait at a time; `batch` spans are sent at once.
    """

    def __init__(
        self,
        exporter: SpanExporter,
        clock: Clock,
        say: Say,
        *,
        version: str = "",
        most_batches: int = 10_000,
        most_spans: int = 10_000,
        batch: int = 512,
    ) -> None:
        self._exporter = exporter
        self._clock = clock
        self._say = say
        self._most_batches = most_batches
        self._most_spans = most_spans
        self._batch = batch
        self._resource = Resource.create({"service.name": "holdfast", "service.version": version})
        self._scope = InstrumentationScope("holdfast", version)
        self._batches: SimpleQueue[Sequence[Record] | None] = SimpleQueue()
        self._spans: SimpleQueue[Span | None] = SimpleQueue()
        self._failing = False
        self._closed = False
        self.delivered = 0
        self.dropped_records = 0
        self.dropped_spans = 0
        self.lost_spans = 0
        self._threads = tuple(
            threading.Thread(target=work, name=f"holdfast-{name}", daemon=True)
            for name, work in (("spans", self._fold), ("otlp", self._export))
        )
        for thread in self._threads:
            thread.start()

    def saw(self, records: Sequence[Record]) -> None:
        """Queue a batch; dropped and counted when too many wait."""
        if self._batches.qsize() >= self._most_batches:
            self.dropped_records += len(records)
        else:
            self._batches.put(records)

    def close(self) -> None:
        """Send what waits, within a few seconds, and let go; idempotent."""
        if self._closed:
            return
        self._closed = True
        self._batches.put(None)
        for thread in self._threads:
            thread.join(_JOIN_S)
        self._exporter.shutdown()
        missing = self.dropped_spans + self.lost_spans + self._spans.qsize()
        if missing or self.dropped_records:
            self._say(
                f"{missing} spans were not delivered, {self.dropped_records} records not looked"
                " at; the journal has all of it"
            )

    # ---- the first thread ---------------------------------------------------------------------

    def _fold(self) -> None:
        fold = SpanFold()
        while True:
            try:
                records = self._batches.get(timeout=_TICK_S)
            except Empty:
                records = ()
            if records is None:
                self._queue(fold.lapse(_FOREVER_NS))
                self._spans.put(None)
                return
            for record in records:
                try:
                    self._queue(fold.see(record))
                except Exception as error:  # noqa: BLE001 -- one odd record must not end telemetry
                    self.dropped_records += 1
                    self._say(f"no span was made of a record: {type(error).__name__}")
            self._queue(fold.lapse(self._clock.now_ns()))

    def _queue(self, spans: Sequence[Span]) -> None:
        for span in spans:
            if self._spans.qsize() >= self._most_spans:
                self.dropped_spans += 1
            else:
                self._spans.put(span)

    # ---- the second thread --------------------------------------------------------------------

    def _export(self) -> None:
        last = False
        while not last:
            span = self._spans.get()
            waiting: list[Span] = []
            while span is not None:
                waiting.append(span)
                if len(waiting) >= self._batch:
                    break
                try:
                    span = self._spans.get(timeout=_LINGER_S)
                except Empty:
                    break
            last = span is None
            if waiting:
                self._send(waiting)

    def _send(self, spans: Sequence[Span]) -> None:
        try:
            made = [readable(span, self._resource, self._scope) for span in spans]
            sent = self._exporter.export(made) is SpanExportResult.SUCCESS
        except Exception:  # noqa: BLE001 -- whatever the exporter meets, the next batch is tried
            sent = False
        if sent:
            self.delivered += len(spans)
            if self._failing:
                self._say(f"spans are delivered again; {self.lost_spans} were lost meanwhile")
        else:
            self.lost_spans += len(spans)
            if not self._failing:
                self._say("spans cannot be delivered to `telemetry.otlp_endpoint`; they are lost")
        self._failing = not sent
