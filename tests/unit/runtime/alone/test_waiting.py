"""Waiting in line for places in a room: who is served, who leaves, and what is given back."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
import gc

import pytest

from holdfast.runtime.waiting import NotYet, Waiting
from tests.skipped_time import breath, run

LONG_S = 3_000.0


class Room:
    """So many places, given to whoever may have one; who has come in, and who was put out."""

    def __init__(self, places=0, **more):
        self.places = places
        self.why = NotYet()
        self.answers: dict[str, NotYet | Exception] = {}
        self.came: list[str] = []
        self.out: list[str] = []
        self.asked: list[str] = []
        self.line = Waiting[str, str, str](self.serve, self.undo, **more)

    def serve(self, key, want):
        self.asked.append(want)
        answer = self.answers.get(want, self.why)
        if isinstance(answer, Exception):
            raise answer
        if want in self.answers or not self.places:
            return answer
        self.places -= 1
        return want

    def undo(self, want, given):
        assert want == given
        self.places += 1
        self.out.append(want)

    async def enter(self, want, timeout_s=LONG_S, rank=()):
        given = await self.line.stand(want[0], want, timeout_s=timeout_s, rank=rank)
        assert given == want
        self.came.append(want)

    async def come(self, *wants, **more):
        """All of these, one behind the other; a task for each."""
        tasks = [asyncio.create_task(self.enter(want, **more)) for want in wants]
        await breath()
        return tasks

    async def free(self, places=1, keys=()):
        self.places += places
        self.line.pump(keys)
        await breath()


async def gone(tasks):
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def test_nobody_in_line_is_served_at_once_and_behind_others_not():
    async def main():
        room = Room(1)
        assert room.line.now("a", "a1") == "a1"
        assert room.line.now("a", "a2") == NotYet()
        tasks = await room.come("a2")
        room.places = 5
        assert room.line.now("b", "b1") == NotYet()
        assert room.asked.count("b1") == 0
        await gone(tasks)
        assert room.line.now("b", "b1") == "b1"

    run(main)


def test_keys_take_turns_at_what_there_is_and_all_of_it_is_given():
    async def main():
        room = Room()
        tasks = await room.come("a1", "a2", "a3", "b1", "b2")
        assert [len(room.line), room.line.count("a"), room.line.first("b")] == [5, 3, "b1"]
        await room.free()
        assert room.came == ["a1"]
        await room.free(3)
        assert room.came == ["a1", "b1", "a2", "b2"]
        await room.free()
        await asyncio.gather(*tasks)
        assert (room.came[-1], room.places, len(room.line)) == ("a3", 0, 0)
        assert room.line.first("a") is None

    run(main)


def test_one_is_served_in_each_turn_of_the_loop():
    async def main():
        room = Room()
        tasks = await room.come(*(f"a{n}" for n in range(9)))
        room.asked.clear()
        room.places = 9
        room.line.pump()
        assert len(room.asked) == 1
        await asyncio.gather(*tasks)
        assert len(room.asked) == 9

    run(main)


def test_who_comes_finds_the_room_that_those_before_had_no_use_for():
    async def main():
        room = Room()
        room.answers["a1"] = NotYet()
        tasks = await room.come("a1", "a2")
        room.places = 1
        room.asked.clear()
        # Not that of another with the same key: the first of them holds it up, and is not asked.
        assert (await room.come("a3"))[0].done() is False
        assert room.asked == []
        assert (await room.come("b1"))[0].done() is True
        await gone(tasks)

    run(main)


def test_one_whose_turn_it_is_lets_nobody_pass():
    async def main():
        room = Room()
        room.answers["a1"] = NotYet(before_all=True)
        tasks = await room.come("a1", "b1")
        await room.free()
        assert room.came == []
        tasks[0].cancel()
        await breath()
        assert room.came == ["b1"]

    run(main)


def test_room_that_opens_by_itself_is_looked_at_when_it_does_first():
    async def main():
        room, loop = Room(), asyncio.get_running_loop()
        began = loop.time()
        for want, wait_ns in (("a1", 9_000_000_000), ("b1", 2_000_000_000), ("c1", None)):
            room.answers[want] = NotYet(wait_ns)
        tasks = await room.come("a1", "b1", "c1")
        room.asked.clear()
        await asyncio.sleep(1.9)
        assert room.asked == []
        room.answers.clear()
        room.places = 3
        await asyncio.gather(*tasks)
        assert loop.time() - began == pytest.approx(2)
        assert room.came == ["a1", "b1", "c1"]
        await asyncio.sleep(60)
        assert len(room.asked) == 3

    run(main)


def test_look_that_was_put_off_meanwhile_is_not_taken_when_it_was_due_before():
    async def main():
        room, loop = Room(), asyncio.get_running_loop()
        room.answers["a1"] = NotYet(2_000_000_000)
        (task,) = await room.come("a1")
        room.answers["a1"] = NotYet(9_000_000_000)
        await room.free(0)
        room.asked.clear()
        await asyncio.sleep(8)
        assert room.asked == []
        room.answers.clear()
        room.places = 1
        await task
        assert loop.time() == pytest.approx(9)

    run(main)


def test_deadline_ends_the_wait_and_gives_the_next_one_the_line():
    async def main():
        room, loop = Room(), asyncio.get_running_loop()
        room.answers["a1"] = NotYet(before_all=True)
        began = loop.time()
        first = asyncio.create_task(room.enter("a1", timeout_s=5))
        second = (await room.come("a2"))[0]
        room.places = 1
        with pytest.raises(TimeoutError):
            await first
        assert loop.time() - began == pytest.approx(5)
        await second
        assert (room.came, room.out, len(room.line)) == (["a2"], [], 0)

    run(main)


def test_no_time_to_wait_is_enough_for_room_that_is_there():
    async def main():
        room = Room(1)
        await room.enter("a1", timeout_s=0)
        with pytest.raises(TimeoutError):
            await room.enter("a2", timeout_s=0)
        assert (room.came, len(room.line)) == (["a1"], 0)

    run(main)


@pytest.mark.parametrize("served_first", [True, False])
def test_served_in_the_moment_that_it_leaves_it_gives_back_and_the_next_one_has_it(served_first):
    async def main():
        room = Room()
        one, two = await room.come("a1", "a2")
        room.places = 1
        if served_first:
            room.line.pump()
        one.cancel()
        room.line.pump()
        await breath()
        assert one.cancelled()
        assert two.done()
        assert room.out == (["a1"] if served_first else [])
        assert (room.came, room.places, len(room.line)) == (["a2"], 0, 0)

    run(main)


def test_served_at_its_deadline_it_gives_back():
    async def main():
        room, loop = Room(), asyncio.get_running_loop()
        waiting = asyncio.create_task(room.enter("a1", timeout_s=5))
        await breath()
        # Before the deadline's own timer, in the same turn of the loop.
        room.places = 1
        loop.call_at(5 - 1e-12, room.line.pump)
        with pytest.raises(TimeoutError):
            await waiting
        assert (room.out, room.places, len(room.line)) == (["a1"], 1, 0)

    run(main)


def test_what_serving_one_raises_is_its_own_and_the_next_one_is_served():
    async def main():
        room = Room()
        one, two = await room.come("a1", "a2")
        room.answers["a1"] = KeyError("a1")
        await room.free()
        with pytest.raises(KeyError):
            await one
        await two
        assert (room.out, room.places, len(room.line)) == ([], 0, 0)

    run(main)


def test_what_serving_one_raises_is_lost_with_the_one_that_leaves(caplog):
    gc.collect()  # What tests before this one left says so now, not below.
    caplog.clear()

    async def main():
        room = Room()
        (one,) = await room.come("a1")
        room.answers["a1"] = KeyError("a1")
        room.line.pump()
        one.cancel()
        await breath()
        assert one.cancelled()
        assert (room.out, len(room.line)) == ([], 0)

    run(main)
    assert caplog.records == []


def test_keys_apart_are_served_each_by_itself_and_only_when_named():
    async def main():
        room = Room(apart=True)
        tasks = await room.come("a1", "a2", "b1")
        assert room.asked == []
        await room.free(3, ("b",))
        assert room.came == ["b1"]
        room.places = 1
        room.line.pump(("c", "b", "a"))
        await breath()
        assert room.came == ["b1", "a1"]
        # Whoever goes lets the next one of its own key try.
        tasks[1].cancel()
        await breath()
        assert len(room.line) == 0

    run(main)


def test_one_that_goes_on_to_another_key_stands_there_by_its_rank_and_the_next_one_tries():
    async def main():
        room = Room(apart=True)
        tasks = await room.come("a1", rank=(1,)) + await room.come("a2", rank=(2,))
        tasks += await room.come("b3", rank=(3,))
        room.answers["a1"] = NotYet(at="b")
        await room.free(1, ("a",))
        assert room.came == ["a2"]
        assert [room.line.count("a"), room.line.first("b")] == [0, "a1"]
        # It is the first of the other key now, and holds up who came later.
        room.answers["a1"] = NotYet(at="b")
        await room.free(1, ("a", "b"))
        assert room.came == ["a2"]
        del room.answers["a1"]
        await room.free(1, ("b",))
        assert room.came == ["a2", "a1", "b3"]
        assert len(room.line) == 0
        await asyncio.gather(*tasks)
        # And one that is younger than who stands there is behind.
        tasks = await room.come("b4", rank=(4,)) + await room.come("a5", rank=(5,))
        room.answers["a5"] = NotYet(at="b")
        await room.free(0, ("a",))
        assert [room.line.count("b"), room.line.first("b")] == [2, "b4"]
        await gone(tasks)

    run(main)
