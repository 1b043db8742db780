"""The sink over OTLP and the one in memory pass the shipped suite."""

import socket
from collections.abc import Iterator, Mapping, Sequence

import pytest

from holdfast.backends.otlp.sink import OtlpSink, metrics_over_http, spans_over_http
from holdfast.core.spans import Span
from holdfast.model.gauges import Reading
from holdfast.ports.sink import Sink
from holdfast.testing.conformance.sink import SinkConformance
from holdfast.testing.memory_sink import MemorySink
from tests.span_receiver import Receiver


class TestOtlpSink(SinkConformance):
    @pytest.fixture(autouse=True)
    def _receivers(self) -> Iterator[None]:
        with (
            Receiver() as self.receiver,
            Receiver(status=400) as self.refusing,
            socket.create_server(("127.0.0.1", 0)) as self.silent,
        ):
            yield

    def _to(self, spans: str, metrics: str) -> Sink:
        return OtlpSink(
            spans_over_http(spans, {}), lambda line: None, gauges=metrics_over_http(metrics, {})
        )

    def open_sink(self) -> Sink:
        return self._to(self.receiver.url, self.receiver.metrics_url)

    def refused(self) -> Sink:
        return self._to(self.refusing.url, self.refusing.metrics_url)

    def hanging(self) -> Sink:
        address = f"http://127.0.0.1:{self.silent.getsockname()[1]}"
        return self._to(f"{address}/v1/traces", f"{address}/v1/metrics")

    def arrived(self) -> Sequence[str]:
        return [span.name for span in self.receiver.spans]

    def measured(self) -> Mapping[str, float]:
        return {name: value for name, _, value in self.receiver.measured}


class Refusing(MemorySink):
    """Takes nothing."""

    def spans(self, spans: Sequence[Span]) -> None:
        self.missing += len(spans)

    def readings(self, readings: Sequence[Reading]) -> None:
        """Nobody reads these."""


class TestMemorySink(SinkConformance):
    def open_sink(self) -> Sink:
        self.sink = MemorySink()
        return self.sink

    def refused(self) -> Sink:
        return Refusing()

    def hanging(self) -> Sink:
        return MemorySink()

    def arrived(self) -> Sequence[str]:
        return [span.name for span in self.sink.kept]

    def measured(self) -> Mapping[str, float]:
        return {one.name: one.value for shown in self.sink.shown for one in shown}
