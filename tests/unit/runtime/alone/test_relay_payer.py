"""A relay's payer: what it tells its server of each call, in order, and how cuts reach it."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
from typing import Any

import pytest

from holdfast.core import endings
from holdfast.core.edits import Edits
from holdfast.core.endings import ABANDONED, COMPLETE, Ending
from holdfast.core.metering import Reading
from holdfast.core.stream import EmittedCall
from holdfast.errors import DeadlineExceeded, SessionStopped, Unavailable
from holdfast.model.money import Usage
from holdfast.runtime.relays import payer as module
from holdfast.runtime.relays.line import AWAY, away
from holdfast.runtime.relays.payer import RelayedCall
from holdfast.runtime.relays.wire import (
    Came,
    Confirmed,
    Emitted,
    Extend,
    Extended,
    Left,
    Running,
    Send,
    Settle,
    Torn,
    WasCut,
    wrote,
)


@pytest.fixture(autouse=True, params=["holdfast.runtime.relays.payer"])
def about(request):
    """What these tests are about."""


class Wire:
    """A line that remembers what it was told."""

    def __init__(self):
        self.turn = 3
        self.up = True
        self.told: list[Any] = []
        self.asked: list[Any] = []
        self.ended: list[int] = []
        self.begun: list[Any] = []
        self.answer: Any = None
        self.futures: list[Any] = []

    def begin(self, call):
        self.begun.append(call)
        return 9

    def end(self, number):
        self.ended.append(number)

    def holds(self, turn):
        assert turn == 3
        return self.up

    async def ask(self, method, said, kind):
        self.asked.append((method, said, kind))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def tell(self, method, said):
        if not self.up:
            raise away()
        self.told.append((method, said))
        future = asyncio.get_running_loop().create_future()
        future.set_result(b"")
        self.futures.append(future)
        return future


SEND = Send(
    upstream="main",
    edits=Edits(),
    seconds_left=20.0,
    timeout_s=60.0,
    cached_1h=True,
    held_tokens=10,
    in_flight_tokens=4,
    most_tokens=15,
)


def call(*, paid=True):
    line: Any = Wire()
    made: Any = RelayedCall(line)
    if paid:
        made.pay(SEND)
    return made, line


def test_call_says_what_it_used_where_that_is_more_than_it_said_before():
    async def main():
        made, _ = call()
        assert made.running() is None
        used = [(Usage(input_tokens=7), 0)]
        made.metering(lambda: used[0])
        assert made.running() == Running(9, Usage(input_tokens=7), 0)
        assert made.running() is None
        used[0] = (Usage(input_tokens=7), 3)
        assert made.running() == Running(9, Usage(input_tokens=7), 3)

    asyncio.run(main())


def test_call_is_numbered_before_it_is_asked_for_and_knows_what_was_held_once_it_is_paid():
    async def main():
        made, line = call(paid=False)
        assert (line.begun, made.number) == ([made], 9)
        assert vars(made.cover) == {"held_tokens": 0, "in_flight_tokens": 0, "most_tokens": 0}
        assert (made.cached_1h, made.timeout_s, made.stopped, made.lapsed) == (
            False,
            0.0,
            False,
            "",
        )
        assert (made.watch, made.seconds_left()) == (None, 0.1)
        made.pay(SEND)
        assert vars(made.cover) == {"held_tokens": 10, "in_flight_tokens": 4, "most_tokens": 15}
        assert (made.cached_1h, made.timeout_s) == (True, 60.0)
        assert 19.9 < made.seconds_left() <= 20.0
        assert line.told == []

    asyncio.run(main())


def test_all_that_it_sees_is_told_by_its_number_and_in_order():
    async def main():
        made, line = call()
        ends: list[Ending] = []
        made.watch = ends.append
        calls = [EmittedCall("c1", "look", {"a": 1}, at_server=False)]
        reading = Reading(ended=True)
        came = Came(call=9, status=200)
        made.arrived(came)
        made.emitted([])
        made.emitted(iter(calls))
        made.void("c1")
        made.note_cut(reading, "why")
        made.settle(reading, ended=COMPLETE)
        made.settle(Reading(), ended=ABANDONED)
        made.abandon(ABANDONED)
        assert line.told == [
            ("arrived", came),
            ("emitted", Emitted(call=9, calls=wrote(calls))),
            ("torn", Torn(call=9, call_id="c1")),
            ("was_cut", WasCut(call=9, reading=reading, reason="why")),
            ("settle", Settle(call=9, reading=reading, ended="complete")),
        ]
        assert ends == [COMPLETE]
        assert line.ended == []
        made.closed()
        made.closed()
        assert line.told[5:] == [("left", Left(call=9))]
        assert line.ended == [9]
        made.void("late")
        assert len(line.told) == 6
        other, line = call()
        other.abandon(endings.cut("so"))
        assert line.told == [("settle", Settle(call=9, reading=Reading(), ended="cut: so"))]

    asyncio.run(main())


def test_end_of_the_way_to_the_provider_is_not_the_end_of_the_call():
    async def main():
        made, line = call()
        cuts: list[str] = []
        made.opened(cuts.append)
        made.closed()
        assert (line.told, line.ended) == ([], [])
        made.cut("late", stopped=False)
        assert cuts == []

    asyncio.run(main())


@pytest.mark.parametrize("stopped", [True, False])
def test_cut_reaches_what_is_open_or_opens_later_and_is_confirmed(stopped):
    async def main():
        made, line = call()
        cuts: list[str] = []
        made.opened(cuts.append)
        made.cut("first", stopped=stopped)
        made.cut("second", stopped=False)
        assert cuts == ["first", "second"]
        assert line.told == [("confirmed", Confirmed(call=9))] * 2
        assert made.stopped == stopped
        later: list[str] = []
        made.opened(later.append)
        assert later == ["first"]
        kind = SessionStopped if stopped else DeadlineExceeded
        error = made.refusal("first")
        assert (type(error), error.message) == (kind, "first")

    asyncio.run(main())


def test_refusal_of_a_lost_line_is_that_of_a_relay_without_its_server():
    async def main():
        made, line = call()
        error = made.refusal(AWAY)
        assert (type(error), error.message, error.fields) == (
            Unavailable,
            away().message,
            away().fields,
        )
        error = made.refusal("unavailable: full")
        assert (type(error), error.message) == (Unavailable, "full")
        line.up = False
        assert (made.lapsed, made.stopped) == (AWAY, True)
        assert type(made.refusal("x")) is SessionStopped
        with pytest.raises(Unavailable):
            made.arrived(Came(call=9, status=200))
        assert made._stopped
        line.up = True
        assert (made.lapsed, made.stopped) == ("", True)

    asyncio.run(main())


@pytest.mark.parametrize(("more", "asked"), [(4, 4), (5, 5), (6, 5)])
def test_more_is_held_only_up_to_what_may_come(more, asked):
    async def main():
        made, line = call()
        line.answer = Extended(held_tokens=12, reason="no room")
        assert await made.extend(more) == "no room"
        assert line.asked == [("extend", Extend(call=9, more_tokens=asked), Extended)]
        assert (made.cover.held_tokens, made.stopped) == (12, False)
        line.answer = Unavailable("gone")
        assert await made.extend(1) == AWAY
        assert (made.cover.held_tokens, made.stopped) == (12, True)

    asyncio.run(main())


def test_who_leaves_or_is_dismissed_ends_once():
    async def main():
        made, line = call()
        ends: list[Ending] = []
        made.watch = ends.append
        made.leave()
        made.leave()
        assert (line.told, line.ended, ends) == ([("left", Left(call=9))], [9], [ABANDONED])
        made, line = call()
        made.watch = ends.append
        made.dismiss()
        made.leave()
        assert (line.told, line.ended, ends) == ([], [9], [ABANDONED, ABANDONED])

    asyncio.run(main())


def test_call_has_caught_up_once_its_server_knows_all_that_it_told(monkeypatch):
    async def main():
        made, line = call()
        made.void("c1")
        made.void("c2")
        assert await made.caught_up() == ""
        assert made._told == []
        waiting = asyncio.get_running_loop().create_future()
        made._told.append(waiting)
        catching = asyncio.ensure_future(made.caught_up())
        await asyncio.sleep(0)
        assert not catching.done()
        waiting.set_result(b"")
        assert await catching == ""
        # Whoever is cut is told of that, and not that the server is away.
        for cut, found in (("stop", ""), ("", AWAY)):
            for fault in (Unavailable("gone"), None):
                made, line = call()
                if cut:
                    made.cut(cut, stopped=False)
                monkeypatch.setattr(module, "SILENCE_S", 5.0 if fault else 0.001)
                future = asyncio.get_running_loop().create_future()
                if fault is not None:
                    future.set_exception(fault)
                made._told.append(future)
                assert await made.caught_up() == found
                assert made.stopped
        made, line = call()
        line.up = False
        made.void("c1")
        line.up = True
        assert (line.told, await made.caught_up()) == ([], AWAY)

    asyncio.run(main())
