"""Gauges: each read together with the others, a faulty one alone left out, and only when due."""

from typing import Any

import pytest

from holdfast.model.gauges import Gauge
from holdfast.runtime.gauges import EVERY_S, Gauges
from holdfast.testing.clock import START_NS, FakeClock
from holdfast.testing.memory_sink import MemorySink


def gauge(name: str, value: Any) -> Gauge:
    def read() -> float:
        found = value.pop(0) if isinstance(value, list) else value
        if isinstance(found, Exception):
            raise found
        return float(found)

    return Gauge(name=name, unit="By", description=f"what {name} is", read=read)


def test_what_all_show_is_handed_on_when_it_is_time_and_not_before():
    clock, sink = FakeClock(), MemorySink()
    gauges = Gauges(clock, sink, lambda line: None)
    gauges.register(gauge("a", [1, 2]))
    gauges.register(gauge("b", 7))
    for passed in (0, EVERY_S - 1, 0.5, 0.5):
        clock.advance(passed)
        gauges.tick()
    assert [[(one.name, one.value) for one in shown] for shown in sink.shown] == [
        [("a", 1.0), ("b", 7.0)],
        [("a", 2.0), ("b", 7.0)],
    ]
    first = sink.shown[0][0]
    assert (first.unit, first.description, first.at_ns) == ("By", "what a is", START_NS)


def test_without_a_sink_nobody_reads_them_but_who_asks():
    gauges = Gauges(FakeClock(), None, lambda line: None)
    left = [1, 2]
    gauges.register(gauge("a", left))
    gauges.tick()
    assert left == [1, 2]
    assert [one.value for one in gauges.read()] == [1.0]


def test_one_that_cannot_be_read_is_left_out_and_said_once_until_it_can():
    said: list[str] = []
    gauges = Gauges(FakeClock(), None, said.append)
    gauges.register(gauge("odd", [ValueError("x"), KeyError("y"), 5, OSError("z")]))
    gauges.register(gauge("b", 7))
    shown = [[one.name for one in gauges.read()] for _ in range(4)]
    assert shown == [["b"], ["b"], ["odd", "b"], ["b"]]
    assert said == [
        "the gauge `odd` cannot be read: ValueError",
        "the gauge `odd` cannot be read: OSError",
    ]


def test_a_name_is_taken_once():
    gauges = Gauges(FakeClock(), None, lambda line: None)
    gauges.register(gauge("a", 1))
    with pytest.raises(ValueError, match="`a`"):
        gauges.register(gauge("a", 2))
