"""Budgets with a journal behind them: a line of waiters that loses nobody, wedges on nothing."""

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.model.budgets import Dimension, Refused, Reserved, Scope
from holdfast.model.events import Kind
from holdfast.testing.clock import SequentialEntropy
from tests.unit.runtime.house import House, limit

CALLS = Dimension.TOOL_CALLS
USD = Dimension.USD


async def reserve(house, live, hold_id, amounts, *, wait_s=20.0):
    answer, _ = await house.budgets.reserve(
        hold_id, live.session, live.chain, lambda: amounts, purpose="model", wait_s=wait_s
    )
    return answer


async def bounded(awaitable):
    """A deadlock is a failure, not a run without end."""
    return await asyncio.wait_for(awaitable, 30)


def run(main):
    asyncio.run(bounded(main()))


THREE = (
    limit(USD, 100_000),
    limit(USD, 60_000, Scope.USER),
    limit(USD, 80_000, Scope.TENANT),
)


@pytest.mark.parametrize("limits", [(limit(USD, 60_000),), THREE])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_two_hundred_tasks_use_the_cap_and_never_pass_it(limits, seed):
    async def main():
        house, dice = House(), random.Random(seed)
        live = await house.open(*limits)
        done: list[bool] = []

        async def one(n):
            held = dice.randint(500, 2_000)
            answer = await reserve(house, live, f"h{n}", {USD: held})
            house.check_caps()
            if isinstance(answer, Refused):
                done.append(False)
                return
            for _ in range(dice.randint(0, 4)):
                await asyncio.sleep(0)
            if dice.random() < 0.3:
                house.budgets.extend(f"h{n}", {USD: 100})
            house.budgets.settle_now(f"h{n}", {USD: dice.randint(held // 4, held)}, live.who)
            house.check_caps()
            done.append(True)

        await asyncio.gather(*(one(n) for n in range(200)))
        assert len(done) == 200
        spent = house.account(live, USD).settled
        assert spent <= 60_000
        assert spent >= 54_000
        house.nothing_held()
        assert len(house.budgets._line) == 0

    run(main)


def test_waiters_are_served_in_the_order_in_which_they_came():
    async def main():
        house = House()
        live = await house.open(limit(USD, 100))
        await reserve(house, live, "first", {USD: 100})
        served: list[int] = []

        async def one(n):
            assert isinstance(await reserve(house, live, f"h{n}", {USD: 60}), Reserved)
            served.append(n)
            await asyncio.sleep(0)
            house.budgets.settle_now(f"h{n}", {}, live.who)

        tasks = [asyncio.create_task(one(n)) for n in range(30)]
        await asyncio.sleep(0)
        house.budgets.settle_now("first", {}, live.who)
        await asyncio.gather(*tasks)
        assert served == list(range(30))

    run(main)


def test_newcomer_does_not_take_the_room_that_woke_an_older_waiter():
    async def main():
        house = House()
        live = await house.open(limit(USD, 100))
        await reserve(house, live, "first", {USD: 100})
        order: list[str] = []

        async def one(name):
            await reserve(house, live, name, {USD: 100})
            order.append(name)
            house.budgets.settle_now(name, {}, live.who)

        old = asyncio.create_task(one("old"))
        await asyncio.sleep(0)
        # In one step: room opens, and somebody new asks before the older waiter can run.
        new = asyncio.create_task(one("new"))
        house.budgets.settle_now("first", {}, live.who)
        await asyncio.gather(old, new)
        assert order == ["old", "new"]

    run(main)


def test_waiter_that_is_refused_for_good_lets_the_next_one_try():
    async def main():
        house = House()
        live = await house.open(limit(USD, 100))
        await reserve(house, live, "first", {USD: 90})
        big = asyncio.create_task(reserve(house, live, "big", {USD: 80}))
        await asyncio.sleep(0)
        small = asyncio.create_task(reserve(house, live, "small", {USD: 20}))
        await asyncio.sleep(0)
        # 50 stay spent: `big` can never fit now, `small` does, and nothing else will settle.
        house.budgets.settle_now("first", {USD: 50}, live.who)
        assert isinstance(await big, Refused)
        assert isinstance(await asyncio.wait_for(small, 30), Reserved)

    run(main)


def test_waiter_cancelled_in_the_step_that_woke_it_passes_the_wake_up_on():
    async def main():
        house = House()
        live = await house.open(limit(USD, 100))
        await reserve(house, live, "first", {USD: 100})
        one = asyncio.create_task(reserve(house, live, "one", {USD: 100}))
        two = asyncio.create_task(reserve(house, live, "two", {USD: 100}))
        for _ in range(3):
            await asyncio.sleep(0)
        house.budgets.settle_now("first", {}, live.who)
        one.cancel()
        assert isinstance(await asyncio.wait_for(two, 30), Reserved)
        assert one.cancelled()

    run(main)


def test_line_that_empties_and_fills_again_keeps_its_waiters():
    async def main():
        house = House()
        live = await house.open(limit(USD, 100))
        for turn in range(40):
            await reserve(house, live, f"a{turn}", {USD: 50})
            await reserve(house, live, f"b{turn}", {USD: 50})
            tasks = [
                asyncio.create_task(reserve(house, live, f"w{turn}.{n}", {USD: 50}))
                for n in range(2)
            ]
            await asyncio.sleep(0)
            house.budgets.settle_now(f"a{turn}", {}, live.who)
            house.budgets.settle_now(f"b{turn}", {}, live.who)
            tasks.append(asyncio.create_task(reserve(house, live, f"w{turn}.2", {USD: 50})))
            for n, task in enumerate(tasks):
                assert isinstance(await asyncio.wait_for(task, 30), Reserved)
                house.budgets.settle_now(f"w{turn}.{n}", {}, live.who)
        house.nothing_held()

    run(main)


def test_waiter_whose_deadline_passes_is_refused_with_the_ledgers_numbers():
    async def main():
        house = House()
        live = await house.open(limit(USD, 100))
        await reserve(house, live, "first", {USD: 90})
        waits = [reserve(house, live, f"h{n}", {USD: 20}, wait_s=0.02) for n in range(5)]
        for answer in await asyncio.gather(*waits):
            assert isinstance(answer, Refused)
            assert (answer.limit, answer.held, answer.wanted) == (100, 90, 20)
        assert len(house.budgets._line) == 0

    run(main)


def test_raised_cap_wakes_who_waits():
    async def main():
        house = House()
        live = await house.open(limit(USD, 100))
        await reserve(house, live, "first", {USD: 90})
        waiting = asyncio.create_task(reserve(house, live, "next", {USD: 20}))
        await asyncio.sleep(0)
        record = house.journal.record_as_told(Kind.BUDGET_CHANGED, live.who, {})
        house.budgets.set_limit(live.chain[0], 200, record)
        assert isinstance(await asyncio.wait_for(waiting, 30), Reserved)

    run(main)


@given(seed=st.integers(0, 10**6))
def test_cancelling_waiters_at_random_loses_no_hold_and_wedges_no_line(seed):
    async def main():
        house, dice = House(entropy=SequentialEntropy()), random.Random(seed)
        live = await house.open(*THREE)
        served = []

        async def one(n):
            answer = await reserve(house, live, f"h{n}", {USD: dice.randint(5_000, 30_000)})
            if isinstance(answer, Reserved):
                try:
                    for _ in range(dice.randint(0, 3)):
                        await asyncio.sleep(0)
                finally:
                    house.budgets.settle_now(f"h{n}", {USD: dice.randint(0, 900)}, live.who)
                served.append(n)

        tasks = []
        for n in range(30):
            tasks.append(asyncio.create_task(one(n)))
            for _ in range(dice.randint(0, 2)):
                await asyncio.sleep(0)
            if dice.random() < 0.4:
                dice.choice(tasks).cancel()
        got = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(g is None or isinstance(g, asyncio.CancelledError) for g in got)
        await house.store.commit()
        house.nothing_held()
        assert len(house.budgets._line) == 0
        assert await house.store.holds() == []

    run(main)


def test_what_is_on_disk_after_a_crash_rebuilds_the_same_ledger():
    async def main():
        house = House()
        live = await house.open(*THREE)
        for n in range(20):
            await reserve(house, live, f"h{n}", {USD: 1_000})
            if n % 3 == 0:
                house.budgets.settle_now(f"h{n}", {USD: 700}, live.who)
        await house.store.commit()
        from holdfast.core.budgets import Ledger

        after = house.store.crashed()
        ledger = Ledger(await after.accounts(), await after.holds())
        now = house.clock.now_ns()
        assert sorted(ledger.all_states(now), key=lambda s: s.key) == sorted(
            house.budgets.ledger.all_states(now), key=lambda s: s.key
        )

    run(main)
