"""Turns at the guard: bounded, in turn, nobody starved, no place lost."""

import asyncio
from collections import Counter, deque
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.errors import RateLimited
from holdfast.runtime.turns import Bounds, Turns
from tests.skipped_time import LoopClock, breath, run

LONG_S = 3_000.0
ONE_AT_A_TIME = Bounds(at_work=1, beside=1, turn_s=LONG_S, wait_s=LONG_S)


class Hall:
    """Decisions that last until they are let go, and the order in which they began."""

    def __init__(self, bounds: Bounds = ONE_AT_A_TIME, **per_s: int) -> None:
        self.told: list[tuple[str, int]] = []
        self.turns = Turns(
            LoopClock(),
            tell=lambda tenant, refused: self.told.append((tenant, refused)),
            per_s=per_s,
            bounds=bounds,
        )
        self.began: list[str] = []
        self.at_work: deque[tuple[str, asyncio.Event]] = deque()
        self.most: Counter[str] = Counter()

    async def decide(self, tenant: str) -> None:
        async with self.turns.turn(tenant):
            done = asyncio.Event()
            self.began.append(tenant)
            self.at_work.append((tenant, done))
            now = Counter(name for name, _ in self.at_work)
            for name, count in (*now.items(), ("", now.total())):
                self.most[name] = max(self.most[name], count)
            try:
                await done.wait()
            finally:
                if (tenant, done) in self.at_work:
                    self.at_work.remove((tenant, done))

    async def asked(self, *tenants: str) -> list[asyncio.Task[None]]:
        """Tasks in this order, each as far as it gets."""
        tasks = [asyncio.create_task(self.decide(tenant)) for tenant in tenants]
        await breath()
        return tasks

    async def refused(self, tenant: str) -> RateLimited:
        """Why one more is not let in; one that is let in fails, and is not waited for."""
        with pytest.raises(RateLimited) as caught:
            async with asyncio.timeout(LONG_S):
                await self.decide(tenant)
        return caught.value

    async def finish(self) -> None:
        """The decision that began first is made."""
        self.at_work.popleft()[1].set()
        await breath()

    async def finish_all(self) -> None:
        while self.at_work:
            await self.finish()


def test_tenant_alone_has_as_many_at_work_as_all_may_have():
    async def main():
        hall = Hall(Bounds(at_work=5, beside=2, turn_s=LONG_S, wait_s=LONG_S))
        await hall.asked(*["one"] * 9)
        assert len(hall.began) == 5
        assert hall.turns.waiting("one") == 4
        await hall.finish_all()
        assert len(hall.began) == 9

    run(main)


def test_beside_another_a_tenant_has_few_at_work_and_the_other_begins_at_once():
    async def main():
        hall = Hall(Bounds(at_work=9, beside=2, turn_s=LONG_S, wait_s=LONG_S))
        hall.turns.seen("quiet")
        await hall.asked(*["loud"] * 20)
        assert hall.began == ["loud"] * 2
        await hall.asked("quiet")
        assert hall.began == ["loud", "loud", "quiet"]
        await hall.finish_all()
        assert hall.most["loud"] == 2
        assert len(hall.began) == 21

    run(main)


def test_tenant_is_alone_again_once_the_other_asked_for_nothing_for_long():
    async def main():
        hall = Hall(Bounds(at_work=9, beside=2, near_s=10, turn_s=LONG_S, wait_s=LONG_S))
        hall.turns.seen("quiet")
        await asyncio.sleep(11)
        await hall.asked(*["loud"] * 20)
        assert hall.began == ["loud"] * 9
        await hall.finish_all()

    run(main)


@settings(max_examples=60, deadline=None)
@given(calls=st.lists(st.sampled_from("abcd"), min_size=2, max_size=40))
def test_between_two_of_one_tenant_each_waiting_other_is_served(calls):
    async def main():
        hall = Hall()
        await hall.asked("first", *calls)
        await hall.finish_all()
        order = hall.began[1:]
        assert sorted(order) == sorted(calls)
        left = Counter(calls)
        for place, tenant in enumerate(order):
            left[tenant] -= 1
            waiting = {t for t, n in left.items() if n and t != tenant}
            assert waiting <= set(order[place + 1 : place + 1 + len(waiting)])

    run(main)


_steps = st.lists(
    st.one_of(
        st.sampled_from("abc").map(lambda tenant: ("ask", tenant)),
        st.just(("finish", "")),
        st.integers(0, 50).map(lambda which: ("cancel", str(which))),
    ),
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(steps=_steps, at_work=st.integers(1, 6), beside=st.integers(1, 3))
def test_whoever_leaves_and_whenever_bounds_hold_and_no_place_is_lost(steps, at_work, beside):
    async def main():
        hall = Hall(Bounds(at_work=at_work, beside=beside, turn_s=LONG_S, wait_s=LONG_S))
        # Two more, so that everybody has another one near.
        hall.turns.seen("d")
        hall.turns.seen("e")
        tasks: list[asyncio.Task[None]] = []
        for step, which in steps:
            if step == "ask":
                # Nothing breathes in between: a cancel may meet one that was just let in.
                tasks.append(asyncio.create_task(hall.decide(which)))
            elif step == "finish" and hall.at_work:
                hall.at_work.popleft()[1].set()
            elif step == "cancel" and tasks:
                tasks[int(which) % len(tasks)].cancel()
                await asyncio.sleep(0)
        await breath()
        assert hall.most[""] <= at_work
        assert all(hall.most[tenant] <= beside for tenant in "abc")
        while not all(task.done() for task in tasks):
            for _, done in hall.at_work:
                done.set()
            hall.at_work.clear()
            await breath()
        for tenant in "abc":
            assert hall.turns.waiting(tenant) == 0
        fresh = Hall(Bounds(at_work=at_work, beside=beside, turn_s=LONG_S, wait_s=LONG_S))
        fresh.turns = hall.turns
        hall.turns.seen("d")
        await fresh.asked(*["a"] * 9)
        assert len(fresh.began) == min(at_work, beside)
        await fresh.finish_all()
        assert len(fresh.began) == 9

    run(main)


@settings(max_examples=60, deadline=None)
@given(calls=st.lists(st.sampled_from("abcd"), max_size=60), at_work=st.integers(1, 6))
def test_never_more_are_at_work_than_the_bounds_say(calls, at_work):
    async def main():
        hall = Hall(Bounds(at_work=at_work, beside=2, turn_s=LONG_S, wait_s=LONG_S))
        hall.turns.seen("x")
        hall.turns.seen("y")
        await hall.asked(*calls)
        await hall.finish_all()
        assert hall.most[""] <= at_work
        assert all(hall.most[tenant] <= 2 for tenant in "abcd")
        assert sorted(hall.began) == sorted(calls)

    run(main)


def test_a_waiter_that_leaves_frees_its_place_in_line():
    async def main():
        hall = Hall(Bounds(at_work=1, beside=1, waiting=2, turn_s=LONG_S, wait_s=LONG_S))
        _, second, _ = await hall.asked("one", "one", "one")
        await hall.refused("one")
        second.cancel()
        await breath()
        assert hall.turns.waiting("one") == 1
        await hall.asked("one")
        assert hall.turns.waiting("one") == 2
        await hall.finish_all()
        assert len(hall.began) == 3

    run(main)


def test_line_that_is_full_refuses_its_own_tenant_only():
    async def main():
        hall = Hall(Bounds(at_work=1, beside=1, waiting=3, turn_s=LONG_S, wait_s=LONG_S))
        await hall.asked(*["loud"] * 4)
        refused = await hall.refused("loud")
        assert refused.retryable
        assert refused.http_status == 429
        await hall.asked("quiet")
        await hall.finish()
        await hall.finish()
        assert hall.began == ["loud", "loud", "quiet"]
        await hall.finish_all()

    run(main)


def test_turn_that_does_not_come_in_time_is_refused_and_takes_no_place():
    async def main():
        hall = Hall(Bounds(at_work=1, beside=1, wait_s=5, turn_s=LONG_S))
        await hall.asked("one")
        await hall.refused("one")
        assert hall.turns.waiting("one") == 0
        await hall.finish()
        await hall.asked("one")
        assert hall.began == ["one", "one"]
        await hall.finish_all()

    run(main)


def test_decision_that_lasts_long_keeps_nobody_from_the_loop():
    async def main():
        hall = Hall(Bounds(at_work=2, beside=1, turn_s=0.025, wait_s=5))
        hall.turns.seen("quiet")
        await hall.asked(*["slow"] * 10)
        assert len(hall.began) == 1
        await asyncio.sleep(1)
        assert len(hall.began) == 10
        # What was given back once is not given back again.
        await hall.finish_all()
        await hall.asked("slow", "slow", "slow")
        assert len(hall.began) == 11
        await asyncio.sleep(1)
        await hall.finish_all()

    run(main)


def test_rate_lets_a_second_s_worth_in_at_once_and_the_rest_evenly():
    async def main():
        hall = Hall(Bounds(wait_s=LONG_S, turn_s=LONG_S, at_work=1_000), slow=10)
        loop = asyncio.get_running_loop()
        start = loop.time()
        tasks = await hall.asked(*["slow"] * 30)
        assert len(hall.began) == 10
        await hall.asked(*["free"] * 30)
        assert hall.began.count("free") == 2
        while not all(task.done() for task in tasks):
            for _, done in hall.at_work:
                done.set()
            hall.at_work.clear()
            await asyncio.sleep(0.01)
        assert loop.time() - start == pytest.approx(2, abs=0.02)

    run(main)


def test_what_a_rate_cannot_let_in_before_the_deadline_is_refused_at_once_and_told_when():
    async def main():
        hall = Hall(Bounds(wait_s=5, turn_s=LONG_S, at_work=1_000), slow=1)
        tasks = await hall.asked(*["slow"] * 6)
        before = asyncio.get_running_loop().time()
        refused = await hall.refused("slow")
        assert asyncio.get_running_loop().time() - before < 1
        told: Any = refused.fields["retry_after_s"]
        assert 5 < told < 7
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    run(main)


def test_refusals_are_told_once_a_second_for_each_tenant_and_none_is_left_out():
    async def main():
        hall = Hall(Bounds(at_work=1, beside=1, waiting=1, turn_s=LONG_S, wait_s=LONG_S))
        await hall.asked("one", "one", "two")
        for tenant in ["one"] * 30 + ["two"] * 2:
            await hall.refused(tenant)
        assert hall.told == []
        await asyncio.sleep(1.1)
        assert sorted(hall.told) == [("one", 30), ("two", 2)]
        await asyncio.sleep(5)
        assert len(hall.told) == 2
        await hall.refused("one")
        await asyncio.sleep(1.1)
        assert hall.told[2:] == [("one", 1)]
        await hall.finish_all()

    run(main)


def test_decision_inside_a_decision_comes_to_its_end_however_few_may_be_at_work():
    async def main():
        hall = Hall(Bounds(at_work=1, beside=1, turn_s=0.025, wait_s=5))

        async def nested(depth: int) -> int:
            async with hall.turns.turn("one"):
                return await nested(depth - 1) + 1 if depth else 0

        assert await nested(20) == 20
        await hall.asked("one")
        assert hall.began == ["one"]
        await hall.finish_all()

    run(main)
