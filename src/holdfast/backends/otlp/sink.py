"""The sink that sends over OTLP: one thread behind a bounded queue, in batches.

What does not fit is dropped and counted, and what a receiver refuses is lost.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from queue import Empty, SimpleQueue

from opentelemetry.exporter.otlp.proto.http import metric_exporter, trace_exporter
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from holdfast.backends.otlp.encoding import metrics, readable
from holdfast.core.spans import Span
from holdfast.model.gauges import Reading

_TIMEOUT_S = 5.0
_LINGER_S = 0.2
_JOIN_S = 2.0

Say = Callable[[str], None]
_Readings = tuple[Reading, ...]


def spans_over_http(endpoint: str, headers: Mapping[str, str]) -> SpanExporter:
    """An exporter to `endpoint`, the whole address (`…/v1/traces`)."""
    _hushed(trace_exporter.__name__)
    return trace_exporter.OTLPSpanExporter(
        endpoint=endpoint, headers=dict(headers), timeout=_TIMEOUT_S
    )


def metrics_over_http(endpoint: str, headers: Mapping[str, str]) -> MetricExporter:
    """An exporter to `endpoint`, the whole address (`…/v1/metrics`)."""
    _hushed(metric_exporter.__name__)
    return metric_exporter.OTLPMetricExporter(
        endpoint=endpoint, headers=dict(headers), timeout=_TIMEOUT_S
    )


def _hushed(name: str) -> None:
    """A receiver that is away is told once, in our words, and not for every batch."""
    logging.getLogger(name).setLevel(logging.CRITICAL)


class OtlpSink:
    """Exports what it is given. `close` it from outside the event loop.

    At most `most` spans and readings wait; `batch` spans are sent at once. Without `gauges`,
    readings go nowhere.
    """

    def __init__(
        self,
        exporter: SpanExporter,
        say: Say,
        *,
        gauges: MetricExporter | None = None,
        version: str = "",
        most: int = 10_000,
        batch: int = 512,
    ) -> None:
        self._exporter = exporter
        self._gauges = gauges
        self._say = say
        self._most = most
        self._batch = batch
        self._resource = Resource.create({"service.name": "holdfast", "service.version": version})
        self._scope = InstrumentationScope("holdfast", version)
        self._waiting: SimpleQueue[Span | _Readings | None] = SimpleQueue()
        self._failing: set[str] = set()
        self._closed = False
        self.delivered = 0
        self.dropped = 0
        """Spans that did not fit."""
        self.lost = 0
        """Spans that did not reach the receiver."""
        self._thread = threading.Thread(target=self._export, name="holdfast-otlp", daemon=True)
        self._thread.start()

    def spans(self, spans: Sequence[Span]) -> None:
        """Queue spans; dropped and counted where too many wait."""
        for span in spans:
            if self._closed or self._waiting.qsize() >= self._most:
                self.dropped += 1
            else:
                self._waiting.put(span)

    def readings(self, readings: Sequence[Reading]) -> None:
        """Queue readings; dropped where too many wait: newer ones come."""
        if self._gauges is not None and self._waiting.qsize() < self._most and not self._closed:
            self._waiting.put(tuple(readings))

    @property
    def missing(self) -> int:
        """Spans that did not fit, or did not reach the receiver."""
        return self.dropped + self.lost

    def close(self) -> None:
        """Send what waits, within a few seconds, and let go; idempotent."""
        if self._closed:
            return
        self._closed = True
        self._waiting.put(None)
        self._thread.join(_JOIN_S)
        self._exporter.shutdown()
        if self._gauges is not None:
            self._gauges.shutdown()
        missing = self.missing + max(self._waiting.qsize() - 1, 0)
        if missing:
            self._say(f"{missing} spans were not delivered; the journal has all of it")

    # ---- the thread ---------------------------------------------------------------------------

    def _export(self) -> None:
        while (first := self._waiting.get()) is not None:
            spans: list[Span] = []
            last = False
            for one in self._together(first):
                last = one is None
                if isinstance(one, Span):
                    spans.append(one)
                elif one is not None:
                    self._send_readings(one)
            if spans:
                self._send_spans(spans)
            if last:
                return

    def _together(self, first: Span | _Readings) -> Iterator[Span | _Readings | None]:
        """What comes close behind one another, a batch at most; None ends it all."""
        yield first
        for _ in range(self._batch - 1):
            try:
                one = self._waiting.get(timeout=_LINGER_S)
            except Empty:
                return
            yield one
            if one is None:
                return

    def _send_spans(self, spans: Sequence[Span]) -> None:
        def export() -> bool:
            made = [readable(span, self._resource, self._scope) for span in spans]
            return self._exporter.export(made) is SpanExportResult.SUCCESS

        if self._sent("spans", "otlp_endpoint", export):
            self.delivered += len(spans)
        else:
            self.lost += len(spans)

    def _send_readings(self, readings: _Readings) -> None:
        gauges = self._gauges
        if gauges is None:
            return

        def export() -> bool:
            made = metrics(readings, self._resource, self._scope)
            return gauges.export(made) is MetricExportResult.SUCCESS

        self._sent("gauges", "metrics_endpoint", export)

    def _sent(self, what: str, setting: str, export: Callable[[], bool]) -> bool:
        """Whether it went; a fault is told where it begins, and its end."""
        try:
            sent = export()
        except Exception:  # noqa: BLE001 -- whatever the exporter meets, the next batch is tried
            sent = False
        if sent and what in self._failing:
            lost = f"; {self.lost} were lost meanwhile" if what == "spans" else ""
            self._say(f"{what} are delivered again{lost}")
        elif not sent and what not in self._failing:
            self._say(f"{what} cannot be delivered to `telemetry.{setting}`; they are lost")
        (self._failing.discard if sent else self._failing.add)(what)
        return sent
