"""What every Sink must do, as a suite that a backend's tests inherit.

    class TestMySink(SinkConformance):
        def open_sink(self) -> Sink: ...
        def refused(self) -> Sink: ...
        def hanging(self) -> Sink: ...
        def arrived(self) -> Sequence[str]: ...
        def measured(self) -> Mapping[str, float]: ...

`open_sink` has a receiver that takes everything, `refused` one that takes nothing, `hanging` one
that does not answer. `arrived` are the names of spans that came to the first, in order; `measured`
the gauges that it was told of last. Each test opens one sink.
"""

import abc
import threading
import time
from collections.abc import Mapping, Sequence

from holdfast.core.spans import Span
from holdfast.model.gauges import Reading
from holdfast.ports.sink import Sink

_AT_NS = 1_795_000_000_000_000_000
_AT_ONCE_S = 1.0
_CLOSED_S = 10.0


def span(number: int) -> Span:
    """One that is whole; its name is `s<number>`."""
    return Span(
        trace_id=7,
        span_id=number + 1,
        parent_id=0,
        name=f"s{number}",
        start_ns=_AT_NS,
        end_ns=_AT_NS + number,
        ok=True,
        error="",
        outward=False,
        attributes={"n": number},
    )


def reading(value: float) -> Reading:
    """Of `holdfast.suite.level`."""
    return Reading(
        name="holdfast.suite.level", unit="By", description="a level", value=value, at_ns=_AT_NS
    )


class SinkConformance(abc.ABC):
    """Inherit, and give sinks."""

    @abc.abstractmethod
    def open_sink(self) -> Sink:
        """One whose receiver takes everything."""

    @abc.abstractmethod
    def refused(self) -> Sink:
        """One whose receiver takes nothing."""

    @abc.abstractmethod
    def hanging(self) -> Sink:
        """One whose receiver does not answer."""

    @abc.abstractmethod
    def arrived(self) -> Sequence[str]:
        """Names of the spans that came to the receiver of `open_sink`."""

    @abc.abstractmethod
    def measured(self) -> Mapping[str, float]:
        """What it was told last of each gauge."""

    def test_spans_arrive_once_each_in_order(self) -> None:
        """Nothing is lost, doubled or overtaken."""
        sink = self.open_sink()
        for first in range(0, 100, 10):
            sink.spans([span(number) for number in range(first, first + 10)])
        sink.spans(())
        sink.close()
        assert list(self.arrived()) == [f"s{number}" for number in range(100)]
        assert sink.missing == 0

    def test_spans_of_many_threads_all_arrive(self) -> None:
        """Whoever gives them."""
        sink = self.open_sink()

        def given(first: int) -> None:
            for number in range(first, first + 50):
                sink.spans([span(number)])

        threads = [threading.Thread(target=given, args=(50 * n,)) for n in range(4)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        sink.close()
        assert sorted(self.arrived()) == sorted(f"s{number}" for number in range(200))

    def test_readings_arrive_the_last_one_last(self) -> None:
        """The newest is what stays."""
        sink = self.open_sink()
        for value in (3.0, 1.5, 2.5):
            sink.readings([reading(value)])
        sink.close()
        assert self.measured() == {"holdfast.suite.level": 2.5}

    def test_closing_is_idempotent_and_what_comes_later_is_lost_without_an_error(self) -> None:
        """The end is one."""
        sink = self.open_sink()
        sink.spans([span(0)])
        sink.close()
        sink.close()
        sink.spans([span(1)])
        sink.readings([reading(1.0)])
        assert list(self.arrived()) == ["s0"]
        assert sink.missing == 1

    def test_what_a_receiver_refuses_is_missing(self) -> None:
        """And counted."""
        sink = self.refused()
        sink.spans([span(0), span(1)])
        sink.readings([reading(1.0)])
        sink.close()
        assert sink.missing == 2

    def test_a_receiver_that_hangs_holds_nobody_up(self) -> None:
        """Neither who gives nor who closes."""
        sink, begun_s = self.hanging(), time.monotonic()
        for number in range(2_000):
            sink.spans([span(number)])
        sink.readings([reading(1.0)])
        assert time.monotonic() - begun_s < _AT_ONCE_S
        sink.close()
        assert time.monotonic() - begun_s < _CLOSED_S
