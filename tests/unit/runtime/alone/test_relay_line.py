"""A relay's line without a socket: hello, signs of life, cuts, losses, and what is refused then."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
from typing import Any

import pytest

from holdfast.errors import TooLarge, Unavailable
from holdfast.model.money import Usage
from holdfast.runtime.relays import line as module
from holdfast.runtime.relays.line import AWAY, Line, away
from holdfast.runtime.relays.wire import (
    CutCall,
    Cuts,
    Hello,
    Left,
    Listening,
    Passed,
    Refusal,
    Running,
    Welcome,
    decoded,
    encoded,
)

GONE = "the server that owns the budgets is away; nothing was sent"


@pytest.fixture(autouse=True, params=["holdfast.runtime.relays.line"])
def about(request):
    """What these tests are about."""


class Frames:
    """Answers in order what a test says, then waits for ever."""

    def __init__(self, *answers):
        self.answers: list[Any] = list(answers)
        self.called: list[Any] = []
        self.told: list[Any] = []
        self.fault: Exception | None = None

    async def call(self, method, body, timeout_s):
        self.called.append((method, body, timeout_s))
        if not self.answers:
            await asyncio.Event().wait()
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        await asyncio.sleep(0)
        return answer if isinstance(answer, bytes) else encoded(answer)

    def tell(self, method, body):
        if self.fault is not None:
            raise self.fault
        self.told.append((method, body))
        return asyncio.get_running_loop().create_future()


class Open:
    """A call that remembers its cuts."""

    def __init__(self):
        self.cuts: list[Any] = []
        self.used: list[Any] = []

    def cut(self, reason, *, stopped):
        self.cuts.append((reason, stopped))

    def running(self):
        return self.used.pop(0) if self.used else None


def made(*answers, up=False):
    frames: Any = Frames(*answers)
    line: Any = Line(frames, server="a-server", pid=7)
    if up:
        line.up = True
        line._heard_s = asyncio.get_running_loop().time()
    return line, frames


async def spin(times=20):
    for _ in range(times):
        await asyncio.sleep(0)


def refusal(act):
    with pytest.raises(Unavailable) as refused:
        act()
    return refused.value.message, refused.value.fields


def test_refusal_without_a_server_says_that_nothing_was_sent_and_when_to_ask_again():
    error = away()
    assert (error.message, error.fields) == (GONE, {"retry_after_s": 1})
    assert AWAY == "unavailable: the server that owns the budgets is away"


def test_line_begins_down_and_opens_nothing_then():
    async def main():
        line, frames = made()
        assert (line.up, line.turn) == (False, 0)
        call: Any = Open()
        expected = (GONE, {"retry_after_s": 1})
        assert refusal(lambda: line.begin(call)) == expected
        assert refusal(lambda: line.tell("left", Left(call=1))) == expected
        with pytest.raises(Unavailable) as refused:
            await line.ask("call", b"", Passed)
        assert (refused.value.message, refused.value.fields) == expected
        line.mention("noted", Left(call=1))
        await line.flush(1.0)
        assert (frames.called, frames.told) == ([], [])

    asyncio.run(main())


def test_line_holds_what_began_in_its_turn_while_the_server_was_heard_of_late():
    async def main():
        line, _ = made(up=True)
        assert line.holds(0)
        assert not line.holds(1)
        assert not line.holds(-1)
        now_s = asyncio.get_running_loop().time()
        line._heard_s = now_s - 4.9
        assert line.holds(0)
        line._heard_s = now_s - 5.1
        assert not line.holds(0)
        line._heard_s = now_s
        line.up = False
        assert not line.holds(0)

    asyncio.run(main())


def test_calls_are_numbered_from_one_and_reached_by_number_until_they_end():
    async def main():
        line, _ = made(up=True)
        one: Any = Open()
        other: Any = Open()
        assert [line.begin(one), line.begin(other)] == [1, 2]
        cuts = tuple(CutCall(call=n, reason=f"r{n}", stopped=n == 1) for n in (1, 2, 3))
        line._cut(Cuts(cuts=cuts))
        assert (one.cuts, other.cuts) == ([("r1", True)], [("r2", False)])
        line.end(1)
        line.end(1)
        line.cut_all("so", stopped=False)
        assert (one.cuts[1:], other.cuts[1:]) == ([], [("so", False)])
        assert line.begin(one) == 3

    asyncio.run(main())


def test_loss_ends_all_that_is_open_and_begins_another_turn():
    async def main():
        line, _ = made(up=True)
        call: Any = Open()
        line.begin(call)
        line.lose()
        assert (line.up, line.turn, call.cuts) == (False, 1, [(AWAY, True)])
        line.lose()
        assert (line.turn, len(call.cuts)) == (2, 1)
        line.up = True
        line._heard_s = asyncio.get_running_loop().time()
        assert not line.holds(0)
        assert line.begin(call) == 2

    asyncio.run(main())


def test_question_waits_an_hour_for_its_answer_and_what_the_server_refuses_is_away():
    async def main():
        line, frames = made(
            Passed(upstream="m"), b"raw", Unavailable("over"), TooLarge("x"), up=True
        )
        assert await line.ask("session", b"token", Passed | Refusal) == Passed(upstream="m")
        assert frames.called == [("session", b"token", 3_600.0)]
        with pytest.raises(Unavailable) as odd:
            await line.ask("call", Left(call=2), Passed)
        assert odd.value.message == GONE
        assert frames.called[1] == ("call", encoded(Left(call=2)), 3_600.0)
        with pytest.raises(Unavailable) as over:
            await line.ask("came", b"", Passed)
        assert (over.value.message, over.value.fields) == (GONE, {"retry_after_s": 1})
        with pytest.raises(TooLarge):
            await line.ask("call", b"", Passed)

    asyncio.run(main())


def test_statement_is_written_at_once_and_a_mention_may_be_lost():
    async def main():
        line, frames = made(up=True)
        found = line.tell("left", Left(call=4))
        line.mention("noted", Left(call=5))
        assert frames.told == [("left", encoded(Left(call=4))), ("noted", encoded(Left(call=5)))]
        assert not found.done()
        frames.fault = Unavailable("broke")
        line.mention("noted", Left(call=6))
        with pytest.raises(Unavailable, match="broke"):
            line.tell("left", Left(call=4))

    asyncio.run(main())


def test_line_is_held_by_asking_for_cuts_and_taken_up_again_after_a_loss(monkeypatch):
    async def main():
        slept: list[float] = []
        real = asyncio.sleep

        async def sleep(seconds, *rest):
            if seconds:
                slept.append(seconds)
            await real(0)

        monkeypatch.setattr(module.asyncio, "sleep", sleep)
        cut = Cuts(cuts=(CutCall(call=1, reason="stop", stopped=True),))
        line, frames = made(
            Welcome(known=True), Cuts(), cut, Unavailable("broke"), Welcome(known=True), Cuts()
        )
        keeping = asyncio.ensure_future(line.keep(3600))
        while len(frames.called) < 2:
            await real(0)
        assert line.up
        call: Any = Open()
        call.used = [None, Running(1, Usage(input_tokens=7), 5)]
        line.begin(call)
        while len(frames.called) < 7:
            await real(0)
        assert call.cuts == [("stop", True), (AWAY, True)]
        assert (line.up, line.turn, slept) == (True, 1, [0.1])
        hello = ("hello", encoded(Hello(server="a-server", pid=7)), 5.0)
        cuts = ("cuts", encoded(Listening()), 5.0)
        used = Listening(running=(Running(1, Usage(input_tokens=7), 5),))
        told = ("cuts", encoded(used), 5.0)
        assert frames.called in (
            [hello, cuts, cuts, told, hello, cuts, cuts],
            [hello, cuts, told, cuts, hello, cuts, cuts],
        )
        keeping.cancel()

    asyncio.run(main())


def test_what_was_heard_counts_from_when_it_was_asked():
    async def main():
        line, frames = made()
        loop = asyncio.get_running_loop()
        answered = loop.create_future()

        async def call(method, body, timeout_s):
            return await answered

        frames.call = call
        asked_s = loop.time()
        asking = asyncio.ensure_future(line._call("cuts", Listening()))
        await asyncio.sleep(0.02)
        answered.set_result(b"x")
        assert await asking == b"x"
        assert asked_s <= line._heard_s < asked_s + 0.015

    asyncio.run(main())


def test_relay_of_another_server_is_sent_away_and_one_that_finds_none_gives_up():
    async def main():
        line, frames = made(Welcome(known=False))
        await asyncio.wait_for(line.keep(60), 1)
        assert (line.up, line.turn, len(frames.called)) == (False, 0, 1)
        line, frames = made(*(Unavailable("nobody") for _ in range(50)))
        await asyncio.wait_for(line.keep(0.01), 1)
        assert (line.up, len(frames.called)) == (False, 1)
        line, frames = made()
        await line.keep(0.0)
        assert frames.called == []
        line, frames = made(TooLarge("x"))
        with pytest.raises(TooLarge):
            await line.keep(60)

    asyncio.run(main())


def test_flush_asks_once_more_and_takes_no_answer_for_one():
    async def main():
        line, frames = made(b"", Unavailable("gone"), up=True)
        await line.flush(1.5)
        await line.flush(2.5)
        left = encoded(Left(call=0))
        assert frames.called == [("left", left, 1.5), ("left", left, 2.5)]
        assert decoded(left, Left) == Left(call=0)

    asyncio.run(main())
