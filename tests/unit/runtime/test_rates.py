"""The rate gate: in turn between tenants, never beyond a rate, refused where waiting is no use."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.core.rates import Draw, Rates
from holdfast.errors import RateLimited
from holdfast.runtime.rates import RateGate, Share
from holdfast.runtime.turned_away import TurnedAway
from tests.skipped_time import LoopClock, run

ONE = Draw(1, 0, 0)


def away(told=None):
    return TurnedAway(lambda *one: told.append(one) if told is not None else None)


def gate(models=None, tenants=None, told=None):
    return RateGate(LoopClock(), models=models or {}, tenants=tenants or {}, away=away(told))


async def served(gate, tenant, order, draw=ONE, model="m", timeout_s=600.0):
    toll = await gate.enter("up", model, tenant, draw, timeout_s=timeout_s)
    order.append(tenant)
    return toll


def test_call_that_no_rate_limits_draws_nothing():
    async def main():
        assert (
            await gate({"up": {"other": Rates(requests=1)}}).enter(
                "up", "m", "acme", ONE, timeout_s=0
            )
            is None
        )

    run(main)


def test_noisy_tenant_leaves_the_other_its_turn():
    async def main():
        order: list[str] = []
        fair = gate({"up": {"*": Rates(requests=60)}})
        for _ in range(60):
            await served(fair, "loud", [])
        loud = [asyncio.create_task(served(fair, "loud", order)) for _ in range(50)]
        await asyncio.sleep(0)
        quiet = [asyncio.create_task(served(fair, "quiet", order)) for _ in range(3)]
        await asyncio.gather(*quiet)
        assert order.count("loud") <= 4
        for task in loud:
            task.cancel()
        await asyncio.gather(*loud, return_exceptions=True)

    run(main)


@settings(max_examples=25, deadline=None)
@given(calls=st.lists(st.sampled_from("abcd"), min_size=2, max_size=40))
def test_between_two_of_one_tenant_each_waiting_other_is_served(calls):
    async def main():
        order: list[str] = []
        fair = gate({"up": {"*": Rates(requests=1)}})
        await served(fair, "first", [])
        tasks = [asyncio.create_task(served(fair, t, order, timeout_s=1e6)) for t in calls]
        await asyncio.gather(*tasks)
        assert sorted(order) == sorted(calls)
        left = {t: calls.count(t) for t in calls}
        for place, tenant in enumerate(order):
            left[tenant] -= 1
            waiting = {t for t, n in left.items() if n and t != tenant}
            nearest = order[place + 1 : place + 1 + len(waiting)]
            assert waiting <= set(nearest)

    run(main)


def test_tenant_at_its_own_rate_lets_others_pass():
    async def main():
        both = gate({"up": {"*": Rates(requests=600)}}, {"small": Rates(requests=1)})
        order: list[str] = []
        await served(both, "small", order)
        waiting = asyncio.create_task(served(both, "small", order))
        await asyncio.sleep(0)
        await served(both, "big", order)
        assert order == ["small", "big"]
        await waiting
        assert order == ["small", "big", "small"]

    run(main)


def test_wait_that_must_pass_the_deadline_is_refused_at_once_and_says_when():
    async def main():
        slow = gate({"up": {"m": Rates(requests=1)}})
        await slow.enter("up", "m", "acme", ONE, timeout_s=5)
        before = asyncio.get_running_loop().time()
        with pytest.raises(RateLimited) as refused:
            await slow.enter("up", "m", "acme", ONE, timeout_s=5)
        told: Any = refused.value.fields["retry_after_s"]
        assert 50 < told <= 60
        assert asyncio.get_running_loop().time() - before < 4

    run(main)


def test_call_behind_others_is_refused_at_its_deadline_and_draws_nothing():
    async def main():
        order: list[str] = []
        slow = gate({"up": {"m": Rates(requests=60)}})
        for _ in range(60):
            await served(slow, "a", [])
        ahead = [asyncio.create_task(served(slow, "a", order)) for _ in range(5)]
        await asyncio.sleep(0)
        with pytest.raises(RateLimited):
            await slow.enter("up", "m", "a", ONE, timeout_s=2)
        await asyncio.gather(*ahead)
        assert order == ["a"] * 5
        assert not any(len(one.line) for one in slow._gates.values())

    run(main)


def test_tokens_are_corrected_to_what_was_used_once():
    async def main():
        tokens = gate({"up": {"m": Rates(output_tokens=1000)}})
        toll = await tokens.enter("up", "m", "a", Draw(1, 0, 1000), timeout_s=0)
        toll.used(0, 10)
        toll.used(0, 0)
        toll.unsent()
        again = await tokens.enter("up", "m", "a", Draw(1, 0, 980), timeout_s=0)
        assert again is not None
        with pytest.raises(RateLimited):
            await tokens.enter("up", "m", "a", Draw(1, 0, 980), timeout_s=0)
        again.unsent()
        await tokens.enter("up", "m", "a", Draw(1, 0, 980), timeout_s=0)

    run(main)


def share(clock, *, beside, told=None, **per_s):
    return Share(clock, beside=lambda _: beside[0], per_s=per_s, away=away(told))


def let_in(of, tenant, calls=100):
    count = 0
    for _ in range(calls):
        try:
            of.enter(tenant)
        except RateLimited:
            continue
        else:
            count += 1
    return count


def test_a_share_of_model_calls_holds_beside_others_alone():
    async def main():
        clock, beside = LoopClock(), [False]
        fair = share(clock, beside=beside, loud=20)
        assert let_in(fair, "loud") == 100
        beside[0] = True
        assert let_in(fair, "loud") == 10
        assert let_in(fair, "quiet") == 100
        await asyncio.sleep(0.25)
        assert let_in(fair, "loud") == 5
        beside[0] = False
        assert let_in(fair, "loud") == 100

    run(main)


def test_a_share_of_one_a_second_lets_one_in():
    async def main():
        fair = share(LoopClock(), beside=[True], slow=1)
        assert let_in(fair, "slow") == 1
        await asyncio.sleep(1)
        assert let_in(fair, "slow") == 1

    run(main)


def test_what_a_share_turns_away_is_told_once_a_second_for_each_tenant():
    async def main():
        told: list[tuple[str, int]] = []
        fair = share(LoopClock(), beside=[True], told=told, loud=20, other=2)
        assert let_in(fair, "loud") + let_in(fair, "other", 3) == 11
        assert told == []
        await asyncio.sleep(1.5)
        assert told == [("loud", 90), ("other", 2)]
        assert let_in(fair, "loud", 30) == 10
        await asyncio.sleep(1.5)
        assert told[2:] == [("loud", 20)]

    run(main)


def test_what_a_rate_turns_away_is_told_whether_it_waited_or_not():
    async def main():
        told: list[tuple[str, int]] = []
        slow = gate({"up": {"m": Rates(requests=60)}}, told=told)
        for _ in range(60):
            await slow.enter("up", "m", "acme", ONE, timeout_s=0)
        with pytest.raises(RateLimited):
            await slow.enter("up", "m", "acme", ONE, timeout_s=0.5)
        waiting = [
            asyncio.create_task(slow.enter("up", "m", "acme", ONE, timeout_s=2.5)) for _ in range(3)
        ]
        ended = await asyncio.gather(*waiting, return_exceptions=True)
        await asyncio.sleep(1.5)
        refused = [one for one in ended if isinstance(one, RateLimited)]
        assert refused
        assert sum(count for _, count in told) == 1 + len(refused)
        assert {tenant for tenant, _ in told} == {"acme"}

    run(main)
