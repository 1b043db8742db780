"""Spans and gauges on the wire: a real receiver decodes them; one that is away costs only these."""

import threading

import pytest
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import StatusCode

from holdfast.backends.otlp.encoding import parse_headers
from holdfast.backends.otlp.sink import OtlpSink, metrics_over_http, spans_over_http
from holdfast.core.spans import SpanFold, call_span_id, root_id, trace_id
from holdfast.errors import ConfigInvalid
from holdfast.model.events import Kind, Record
from holdfast.testing.conformance.sink import reading, span
from tests.span_receiver import Receiver, attributes


class Exporter(SpanExporter):
    """Keeps what it is given; waits for `gate` first, and fails while `faults` lasts."""

    def __init__(self, faults=0):
        self.gate = threading.Event()
        self.gate.set()
        self.spans = []
        self.faults = faults

    def export(self, spans):
        self.gate.wait(60)
        if self.faults:
            self.faults -= 1
            if self.faults % 2:
                raise OSError("the receiver is away")
            return SpanExportResult.FAILURE
        self.spans += spans
        return SpanExportResult.SUCCESS

    def shutdown(self):
        self.gate.set()


def test_a_receiver_gets_every_span_with_ids_attributes_and_headers():
    said: list[str] = []
    fold = SpanFold()
    opened = Record(
        kind=Kind.TOOL_CALL_DECIDED,
        at_ns=1_001,
        session="s",
        agent="desk",
        call_id="c1",
        tool="look",
        verdict="deny",
        body={"arguments": {"n": 1}, "reasons": []},
    )
    with Receiver() as receiver:
        exporter = spans_over_http(receiver.url, {"authorization": "Bearer x"})
        sink = OtlpSink(exporter, said.append, version="9")
        sink.spans(fold.see(opened))
        sink.spans(
            fold.see(
                Record(kind=Kind.SESSION_ENDED, at_ns=5_000, session="s", body={"from": "active"})
            )
        )
        sink.close()
    spans = {span.span_id: span for span in receiver.spans}
    assert len(receiver.spans) == len(spans) == 2
    assert {span.trace_id for span in spans.values()} == {trace_id("s").to_bytes(16)}
    one = spans[call_span_id("s", "c1").to_bytes(8)]
    assert one.parent_span_id == root_id("s").to_bytes(8)
    assert spans[root_id("s").to_bytes(8)].parent_span_id == b""
    assert (one.start_time_unix_nano, one.end_time_unix_nano) == (1_001, 1_001)
    assert one.status.code == StatusCode.ERROR.value
    found = attributes(one)
    assert found["gen_ai.tool.call.id"] == "c1"
    assert found["holdfast.input"] == '{"n":1}'
    assert found["holdfast.success"] is False
    assert "holdfast.rule" not in found
    path, request = receiver.requests[0]
    assert path == "/v1/traces"
    service = {a.key: a.value.string_value for a in request.resource_spans[0].resource.attributes}
    assert (service["service.name"], service["service.version"]) == ("holdfast", "9")
    assert receiver.headers[0]["authorization"] == "Bearer x"
    assert (sink.delivered, sink.lost, said) == (2, 0, [])
    assert not sink._thread.is_alive()


def test_a_receiver_of_gauges_gets_name_unit_and_value_and_a_sink_without_one_sends_none():
    with Receiver() as receiver:
        gauges = metrics_over_http(receiver.metrics_url, {"x": "y"})
        sink = OtlpSink(Exporter(), lambda line: None, gauges=gauges)
        sink.readings([reading(4.0), reading(4.5)])
        sink.close()
        other = OtlpSink(Exporter(), lambda line: None)
        other.readings([reading(9.0)])
        other.close()
    name = "holdfast.suite.level"
    assert receiver.measured == [(name, "By", 4.0), (name, "By", 4.5)]
    assert receiver.headers[0]["x"] == "y"


def test_a_receiver_that_refuses_costs_spans_and_is_told_once():
    said: list[str] = []
    with Receiver(status=400) as receiver:
        gauges = metrics_over_http(receiver.metrics_url, {})
        exporter = spans_over_http(receiver.url, {})
        sink = OtlpSink(exporter, said.append, gauges=gauges, batch=1)
        sink.spans([span(1), span(2), span(3)])
        sink.readings([reading(1)])
        sink.readings([reading(2)])
        sink.close()
    assert (sink.delivered, sink.lost) == (0, 3)
    assert said == [
        "spans cannot be delivered to `telemetry.otlp_endpoint`; they are lost",
        "gauges cannot be delivered to `telemetry.metrics_endpoint`; they are lost",
        "3 spans were not delivered; the journal has all of it",
    ]


def test_after_a_fault_the_next_batch_is_tried_and_the_return_is_told():
    said, exporter = list[str](), Exporter(faults=2)
    sink = OtlpSink(exporter, said.append, batch=1)
    sink.spans([span(n) for n in range(4)])
    sink.close()
    assert (sink.delivered, sink.lost) == (2, 2)
    assert said[1] == "spans are delivered again; 2 were lost meanwhile"


def test_what_does_not_fit_behind_a_receiver_that_hangs_is_counted():
    exporter = Exporter()
    exporter.gate.clear()
    sink = OtlpSink(exporter, lambda line: None, batch=1, most=5)
    for number in range(100):
        sink.spans([span(number)])
    assert sink.dropped >= 90
    exporter.gate.set()
    sink.close()
    assert sink.delivered + sink.dropped == 100


def test_headers_are_read_as_opentelemetry_writes_them():
    assert parse_headers("Authorization=Bearer%20abc, x-team = a=b ,") == {
        "authorization": "Bearer abc",
        "x-team": "a=b",
    }
    assert parse_headers("") == {}


@pytest.mark.parametrize("text", ["secret", "a b=c", "x=%0d%0aevil: 1", "x=é", "=v"])
def test_headers_that_do_not_hold_are_refused_without_being_repeated(text):
    with pytest.raises(ConfigInvalid) as refused:
        parse_headers(text)
    assert "secret" not in refused.value.message
    assert "evil" not in refused.value.message
