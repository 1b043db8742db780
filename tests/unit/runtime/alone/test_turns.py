"""Turns at the guard by a clock that stands still: who is let in, who waits, who is refused."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest

from holdfast.errors import RateLimited
from holdfast.runtime.turns import Bounds, Turns
from holdfast.testing.clock import FakeClock
from tests.skipped_time import run


class Line(Turns):
    """Turns with a clock that a test moves; `told` is what was refused."""

    def __init__(self, per_s=None, **bounds):
        self.fake = FakeClock()
        self.told: list[tuple[str, int]] = []
        self.inside: list[str] = []
        self.places: dict[str, AsyncExitStack] = {}
        given = Bounds(**({"turn_s": 60.0} | bounds))
        super().__init__(
            self.fake, tell=lambda *told: self.told.append(told), per_s=per_s, bounds=given
        )

    async def enter(self, name):
        """Take a place for the tenant that the name begins with, until `leave`."""
        self.places[name] = stack = AsyncExitStack()
        await stack.enter_async_context(self.turn(name[0]))
        self.inside.append(name)

    async def leave(self, name):
        await self.places.pop(name).aclose()

    async def come(self, *names):
        """All of these, one behind the other; a task for each."""
        tasks = []
        for name in names:
            tasks.append(asyncio.create_task(self.enter(name)))
            await spin()
        return tasks


async def spin():
    for _ in range(6):
        await asyncio.sleep(0)


async def gone(tasks):
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize(("most", "inside"), [(3, 3), (4, 4), (9, 5)])
def test_tenant_that_is_alone_has_as_many_at_work_as_are_worth_working_at(most, inside):
    async def main():
        line: Any = Line(at_work=most)
        tasks = await line.come("a1", "a2", "a3", "a4", "a5")
        assert line.inside == ["a1", "a2", "a3", "a4", "a5"][:inside]
        assert line.waiting("a") == 5 - inside
        assert line.waiting("b") == 0
        await line.leave("a1")
        await spin()
        assert len(line.inside) == min(inside + 1, 5)
        await gone(tasks)
        assert line.waiting("a") == 0

    run(main)


@pytest.mark.parametrize(("since_s", "inside"), [(0, 2), (9.999, 2), (10, 4)])
def test_while_another_is_about_a_tenant_has_few_at_work(since_s, inside):
    async def main():
        line: Any = Line()
        line.seen("b")
        line.fake.advance(since_s)
        tasks = await line.come("a1", "a2", "a3", "a4")
        assert len(line.inside) == inside
        await gone(tasks)

    run(main)


def test_who_asks_again_and_again_is_not_another_to_itself():
    async def main():
        line: Any = Line()
        for _ in range(3):
            line.seen("a")
        tasks = await line.come("a1", "a2", "a3")
        assert len(line.inside) == 3
        line.seen("b")
        more = await line.come("a4")
        assert len(line.inside) == 3
        # It is let in once few enough of its own are at work.
        await line.leave("a1")
        await spin()
        assert len(line.inside) == 3
        await line.leave("a2")
        await spin()
        assert line.inside[-1] == "a4"
        await gone([*tasks, *more])

    run(main)


def test_tenants_in_line_take_turns_each_its_oldest_first():
    async def main():
        line: Any = Line(at_work=1)
        tasks = await line.come("a0", "a1", "a2", "a3", "b1", "b2", "c1")
        for name in ("a0", "a1", "b1", "c1", "a2", "b2"):
            assert line.inside[-1] == name
            await line.leave(name)
            await spin()
        assert line.inside[-1] == "a3"
        await asyncio.gather(*tasks)

    run(main)


def test_place_is_free_again_after_its_turn_and_once():
    async def main():
        line: Any = Line(at_work=1, turn_s=0.02)
        tasks = await line.come("a1", "b1")
        assert line.inside == ["a1"]
        await asyncio.sleep(0.03)
        assert line.inside == ["a1", "b1"]
        await line.leave("a1")
        assert line._all_at_work == 1
        assert line._at_work == {"b": 1}
        await line.leave("b1")
        assert (line._all_at_work, line._at_work) == (0, {})
        await asyncio.gather(*tasks)

    run(main)


def test_place_of_a_decision_that_fails_is_free():
    async def main():
        line: Any = Line(at_work=1)
        with pytest.raises(KeyError):
            async with line.turn("a"):
                raise KeyError
        assert (line._all_at_work, line._at_work) == (0, {})

    run(main)


@pytest.mark.parametrize(("ahead", "refused"), [(1, False), (2, True)])
def test_line_of_one_tenant_has_an_end(ahead, refused):
    async def main():
        line: Any = Line(at_work=1, waiting=2)
        tasks = await line.come("a0", *(f"a{n}" for n in range(1, ahead + 1)))
        last = asyncio.create_task(line.enter("a9"))
        await spin()
        assert last.done() == refused
        if refused:
            error = last.exception()
            assert isinstance(error, RateLimited)
            assert error.fields == {"retry_after_s": 1.0}
            assert error.message == (
                "this tenant asks for decisions faster than they are made;"
                " 2 of its decisions are in line"
            )
            # Another tenant's line is its own.
            other = asyncio.create_task(line.enter("b1"))
            await spin()
            assert not other.done()
            await gone([other])
        await gone([*tasks, last])

    run(main)


def test_who_waits_to_the_deadline_is_refused_and_the_next_one_comes():
    async def main():
        line: Any = Line(at_work=1, wait_s=0.02)
        tasks = await line.come("a0", "a1")
        with pytest.raises(RateLimited) as refused:
            await tasks[1]
        assert refused.value.message.endswith("; its turn did not come in time")
        assert refused.value.fields == {"retry_after_s": 1.0}
        assert line.waiting("a") == 0
        more = await line.come("b1")
        await line.leave("a0")
        await spin()
        assert line.inside[-1] == "b1"
        await gone([tasks[0], *more])

    run(main)


@pytest.mark.parametrize(("wait_s", "waits"), [(0.5, True), (0.49, False)])
def test_rate_lets_a_second_s_worth_in_and_refuses_what_waits_in_vain(wait_s, waits):
    async def main():
        line: Any = Line({"a": 2}, wait_s=wait_s)
        tasks = await line.come("a1", "a2")
        assert line.inside == ["a1", "a2"]
        third = asyncio.create_task(line.enter("a3"))
        await spin()
        assert third.done() != waits
        if not waits:
            error = third.exception()
            assert isinstance(error, RateLimited)
            assert error.fields == {"retry_after_s": 0.5}
            assert error.message.endswith("; its 2 a second leave no room in time")
        else:
            assert line._line._timer is not None
            left_s = line._line._timer.when() - asyncio.get_running_loop().time()
            assert 0.3 < left_s <= 0.5
            line.fake.advance(0.5)
            line._line.pump()
            await spin()
            assert line.inside[-1] == "a3"
            assert line._line._timer is None
        other = await line.come("b1")
        assert line.inside[-1] == "b1"
        await gone([*tasks, third, *other])

    run(main)


@pytest.mark.parametrize(("ahead", "waits"), [(1, True), (2, False)])
def test_those_ahead_in_line_are_counted_into_the_wait_for_a_rate(ahead, waits):
    async def main():
        line: Any = Line({"a": 2}, wait_s=1.0)
        tasks = await line.come("a1", "a2", *(f"a{n}" for n in range(3, 3 + ahead)))
        last = asyncio.create_task(line.enter("a9"))
        await spin()
        assert last.done() != waits
        if not waits:
            error = last.exception()
            assert isinstance(error, RateLimited)
            assert error.fields == {"retry_after_s": 1.5}
        await gone([*tasks, last])

    run(main)


def test_tenant_at_its_rate_holds_nobody_up():
    async def main():
        line: Any = Line({"a": 1}, at_work=2)
        tasks = await line.come("a1", "a2", "b1", "b2")
        assert line.inside == ["a1", "b1"]
        await line.leave("b1")
        await spin()
        assert line.inside == ["a1", "b1", "b2"]
        await gone(tasks)

    run(main)


def test_rates_with_the_nearest_room_are_looked_at_first():
    async def main():
        line: Any = Line({"a": 1, "b": 10})
        for name in ("a", "b"):
            line._buckets[name].draw(10 if name == "b" else 1, line.fake.now_ns())
        tasks = await line.come("a1", "b1")
        assert line._line._timer is not None
        left_s = line._line._timer.when() - asyncio.get_running_loop().time()
        assert 0.0 < left_s <= 0.1
        await gone(tasks)

    run(main)


def test_who_is_let_in_in_the_moment_that_it_leaves_gives_its_place_back():
    async def main():
        line: Any = Line(at_work=1)
        tasks = await line.come("a0", "a1", "b1")
        # It gives the place to the next one, who has not heard of it yet.
        await line.leave("a0")
        assert line._at_work == {"a": 1}
        tasks[1].cancel()
        await spin()
        assert line.inside == ["a0", "b1"]
        assert line._all_at_work == 1
        await line.leave("b1")
        assert (line._all_at_work, line._at_work, len(line._line)) == (0, {}, 0)
        await asyncio.gather(*tasks, return_exceptions=True)

    run(main)


def test_while_all_places_are_taken_nobody_is_looked_at_however_many_wait(monkeypatch):
    async def main():
        line: Any = Line(at_work=1)
        names = [f"{chr(first)}{n}" for n in range(5) for first in range(ord("a"), ord("z"))]
        tasks = await line.come(*names)
        looks: list[int] = []
        now_ns = line.fake.now_ns
        monkeypatch.setattr(line.fake, "now_ns", lambda: looks.append(1) or now_ns())
        await line.leave("a0")
        await spin()
        assert line.inside == ["a0", "b0"]
        assert len(looks) < 5
        await gone(tasks)

    run(main)


def test_refusals_are_told_once_a_second_for_each_tenant(monkeypatch):
    monkeypatch.setattr("holdfast.runtime.turned_away._TELL_S", 0.02)

    async def main():
        line: Any = Line(at_work=1, waiting=0)
        tasks = await line.come("a0", "a1", "a2", "b1")
        assert [task.done() for task in tasks] == [True] * 4
        assert line.told == []
        await asyncio.sleep(0.03)
        assert sorted(line.told) == [("a", 2), ("b", 1)]
        more = await line.come("a3")
        await asyncio.sleep(0.03)
        assert sorted(line.told) == [("a", 1), ("a", 2), ("b", 1)]
        await asyncio.gather(*tasks, *more, return_exceptions=True)

    run(main)
