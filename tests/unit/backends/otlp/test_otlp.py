"""Spans on the wire: a real receiver decodes them; one that is away or hangs costs only spans."""

import threading

import pytest
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import StatusCode

from holdfast.backends.otlp.encoding import parse_headers
from holdfast.backends.otlp.tap import OtlpTap, over_http
from holdfast.core.spans import call_span_id, root_id, trace_id
from holdfast.errors import ConfigInvalid
from holdfast.model.events import Kind, Record
from holdfast.testing.clock import FakeClock
from tests.span_receiver import Receiver, attributes


def call(number, verdict="deny"):
    body = {"arguments": {"n": number}, "reasons": []}
    return Record(
        kind=Kind.TOOL_CALL_DECIDED,
        at_ns=1_000 + number,
        session="s",
        agent="desk",
        call_id=f"c{number}",
        tool="look",
        verdict=verdict,
        body=body,
    )


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
    with Receiver() as receiver:
        exporter = over_http(receiver.url, {"authorization": "Bearer x"})
        tap = OtlpTap(exporter, FakeClock(), said.append, version="9")
        tap.saw([call(n) for n in range(3)])
        tap.saw(
            [Record(kind=Kind.SESSION_ENDED, at_ns=5_000, session="s", body={"from": "active"})]
        )
        tap.close()
        tap.close()
    spans = {span.span_id: span for span in receiver.spans}
    assert len(receiver.spans) == len(spans) == 4
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
    assert (tap.delivered, tap.lost_spans, said) == (4, 0, [])


def test_a_receiver_that_refuses_costs_spans_and_is_told_once():
    said: list[str] = []
    with Receiver(status=400) as receiver:
        tap = OtlpTap(over_http(receiver.url, {}), FakeClock(), said.append, batch=1)
        tap.saw([call(1), call(2), call(3)])
        tap.close()
    assert (tap.delivered, tap.lost_spans) == (0, 3)
    assert [line.partition(" to ")[0] for line in said[:1]] == ["spans cannot be delivered"]
    assert said[1:] == [
        "3 spans were not delivered, 0 records not looked at; the journal has all of it"
    ]


def test_after_a_fault_the_next_batch_is_tried_and_the_return_is_told():
    said, exporter = list[str](), Exporter(faults=2)
    tap = OtlpTap(exporter, FakeClock(), said.append, batch=1)
    tap.saw([call(n) for n in range(4)])
    tap.close()
    assert (tap.delivered, tap.lost_spans) == (2, 2)
    assert said[1] == "spans are delivered again; 2 were lost meanwhile"


def test_a_receiver_that_hangs_holds_nobody_up_and_what_does_not_fit_is_counted():
    exporter = Exporter()
    exporter.gate.clear()
    tap = OtlpTap(exporter, FakeClock(), lambda line: None, batch=1, most_spans=5)
    for number in range(100):
        tap.saw([call(number)])
    tap._batches.put(None)
    tap._threads[0].join(10)
    assert tap.dropped_spans >= 90
    exporter.gate.set()
    tap.close()
    assert tap.delivered + tap.dropped_spans == 100


def test_records_that_do_not_fit_are_counted():
    tap = OtlpTap(Exporter(), FakeClock(), lambda line: None, most_batches=0)
    tap.saw([call(1), call(2)])
    tap.close()
    assert (tap.dropped_records, tap.delivered) == (2, 0)


def test_an_odd_record_costs_its_own_span_only():
    said: list[str] = []
    odd = Record(
        kind=Kind.TOOL_CALL_DECIDED,
        at_ns=1,
        session="s",
        verdict="deny",
        body={"arguments": {"x": object()}},
    )
    tap = OtlpTap(exporter := Exporter(), FakeClock(), said.append)
    tap.saw([odd, call(1)])
    tap.close()
    assert (len(exporter.spans), tap.dropped_records) == (1, 1)
    assert said[0].startswith("no span was made of a record")


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
