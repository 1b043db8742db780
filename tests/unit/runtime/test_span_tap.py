"""Spans out of the journal: what does not fit and what is odd costs its own spans, and is told."""

import threading
from collections.abc import Sequence

from holdfast.core.spans import Span
from holdfast.model.events import Kind, Record
from holdfast.runtime.span_tap import SpanTap
from holdfast.testing.clock import START_NS, FakeClock
from holdfast.testing.memory_sink import MemorySink


def call(number: int) -> Record:
    return Record(
        kind=Kind.TOOL_CALL_DECIDED,
        at_ns=START_NS + number,
        session="s",
        agent="desk",
        call_id=f"c{number}",
        tool="look",
        verdict="deny",
        body={"arguments": {"n": number}, "reasons": []},
    )


class Held(MemorySink):
    """Waits for `gate` before it takes anything."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()

    def spans(self, spans: Sequence[Span]) -> None:
        self.gate.wait(60)
        super().spans(spans)


def test_records_become_spans_and_the_end_brings_those_of_calls_that_nobody_reported():
    said: list[str] = []
    sink = MemorySink()
    tap = SpanTap(sink, FakeClock(), said.append)
    tap.saw([call(1), call(2)])
    running = call(3)
    tap.saw(
        [
            Record(
                **{**{n: getattr(running, n) for n in Record.__struct_fields__}, "verdict": "allow"}
            )
        ]
    )
    tap.saw(
        [Record(kind=Kind.SESSION_ENDED, at_ns=START_NS + 9, session="s", body={"from": "active"})]
    )
    tap.close()
    tap.close()
    assert len(sink.kept) == 4
    assert [one.attributes.get("gen_ai.tool.call.id") for one in sink.kept] == [
        "c1",
        "c2",
        None,
        "c3",
    ]
    assert said == []


def test_a_sink_that_waits_holds_nobody_up_and_what_does_not_fit_is_counted_and_told():
    said: list[str] = []
    sink = Held()
    tap = SpanTap(sink, FakeClock(), said.append, most_batches=5)
    for number in range(100):
        tap.saw([call(number)])
    sink.gate.set()
    tap.close()
    assert tap.dropped >= 90
    assert len(sink.kept) == 100 - tap.dropped
    assert said == [f"no spans were made of {tap.dropped} records; the journal has them"]


def test_an_odd_record_costs_its_own_span_only():
    said: list[str] = []
    odd = Record(
        kind=Kind.TOOL_CALL_DECIDED,
        at_ns=1,
        session="s",
        verdict="deny",
        body={"arguments": {"x": object()}},
    )
    sink = MemorySink()
    tap = SpanTap(sink, FakeClock(), said.append)
    tap.saw([odd, call(1)])
    tap.close()
    assert (len(sink.kept), tap.dropped) == (1, 1)
    assert said[0].startswith("no span was made of a record")
