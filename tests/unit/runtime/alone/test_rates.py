"""The rate gate by a clock that stands still: who draws from what, and what is given back."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
from typing import Any

import pytest

from holdfast.core.rates import Draw, Rates
from holdfast.errors import RateLimited
from holdfast.runtime.rates import RateGate
from holdfast.runtime.turned_away import TurnedAway
from holdfast.testing.clock import FakeClock


class Gate(RateGate):
    """A gate whose clock a test moves."""

    def __init__(self, models=None, tenants=None):
        self.fake = FakeClock()
        self.told: list[tuple[str, int]] = []
        away = TurnedAway(lambda *one: self.told.append(one))
        super().__init__(self.fake, models=models or {}, tenants=tenants or {}, away=away)

    async def draw(self, *pieces, model="m", tenant="a", upstream="up", timeout_s=0.0) -> Any:
        return await self.enter(upstream, model, tenant, Draw(*pieces), timeout_s=timeout_s)


async def turns():
    for _ in range(10):
        await asyncio.sleep(0)


def test_model_has_its_own_rate_or_that_of_all_others_and_a_tenant_its_own_beside_it():
    async def main():
        gate: Any = Gate(
            {"up": {"m": Rates(requests=1), "*": Rates(requests=2)}}, {"t": Rates(requests=3)}
        )
        await gate.draw(1, 0, 0)
        for model, tenant in (("m", "b"), ("m", "t")):
            with pytest.raises(RateLimited):
                await gate.draw(1, 0, 0, model=model, tenant=tenant)
        for model in ("x", "y"):
            await gate.draw(1, 0, 0, model=model, tenant="t")
        with pytest.raises(RateLimited):
            await gate.draw(1, 0, 0, model="z")
        # Elsewhere the tenant's rate alone limits it: one is left of three.
        assert await gate.draw(1, 0, 0, upstream="other", tenant="t") is not None
        with pytest.raises(RateLimited):
            await gate.draw(1, 0, 0, upstream="other", tenant="t")
        assert await gate.draw(9, 9, 9, upstream="other", tenant="u") is None

    asyncio.run(main())


@pytest.mark.parametrize(("timeout_s", "waits"), [(30.0, True), (29.9, False)])
def test_wait_beyond_the_deadline_is_refused_at_once_with_its_length(timeout_s, waits):
    async def main():
        gate: Any = Gate({"up": {"m": Rates(requests=2)}})
        await gate.draw(2, 0, 0)
        entering = asyncio.create_task(gate.draw(1, 0, 0, model="m", timeout_s=timeout_s))
        await turns()
        assert entering.done() != waits
        if waits:
            gate.fake.advance(30)
            gate._gates["up", "m"].line.pump()
            assert await entering is not None
            return
        error = entering.exception()
        assert isinstance(error, RateLimited)
        assert error.fields == {"retry_after_s": 30.0}
        text = "rate_limited: the rate of `m` or of this tenant has no room in time"
        assert error.message == text

    asyncio.run(main())


def test_name_of_a_model_is_told_no_longer_than_a_hundred_characters():
    async def main():
        gate: Any = Gate({"up": {"*": Rates(requests=1)}})
        await gate.draw(1, 0, 0)
        with pytest.raises(RateLimited) as refused:
            await gate.draw(1, 0, 0, model="m" * 300)
        assert f"`{'m' * 100}`" in refused.value.message

    asyncio.run(main())


@pytest.mark.parametrize(
    ("correct", "left"),
    [
        (lambda toll: None, (9, 60, 70)),
        (lambda toll: toll.again(), (8, 60, 70)),
        (lambda toll: toll.used(10, 5), (9, 90, 95)),
        (lambda toll: (toll.used(10, 5), toll.used(0, 0), toll.unsent()), (9, 90, 95)),
        (lambda toll: toll.used(50, 40), (9, 50, 60)),
        (lambda toll: toll.unsent(), (10, 100, 100)),
        (lambda toll: (toll.unsent(), toll.used(9, 9)), (10, 100, 100)),
    ],
)
def test_toll_is_corrected_in_each_bucket_of_model_and_tenant_once(correct, left):
    async def main():
        rates = Rates(requests=10, input_tokens=100, output_tokens=100)
        for models, tenants in (({"up": {"m": rates}}, {}), ({}, {"a": rates})):
            for place, most in enumerate(left):
                for extra, fits in ((0, True), (1, False)):
                    gate: Any = Gate(models, tenants)
                    correct(await gate.draw(1, 40, 30))
                    pieces = [0, 0, 0]
                    pieces[place] = most + extra
                    capped = min(pieces[place], (10, 100, 100)[place])
                    if fits or capped < pieces[place]:
                        assert await gate.draw(*pieces) is not None
                    else:
                        with pytest.raises(RateLimited):
                            await gate.draw(*pieces)

    asyncio.run(main())


def test_correction_serves_who_waits():
    async def main():
        gate: Any = Gate({"up": {"m": Rates(output_tokens=100)}})
        toll = await gate.draw(1, 0, 100)
        waiting = asyncio.create_task(gate.draw(1, 0, 60, timeout_s=600))
        await turns()
        toll.used(0, 30)
        assert await asyncio.wait_for(waiting, 1) is not None
        # It drew its own: ten are left.
        await gate.draw(1, 0, 10)
        with pytest.raises(RateLimited):
            await gate.draw(1, 0, 1)

    asyncio.run(main())


def test_who_leaves_the_line_draws_nothing_and_lets_the_next_one_go():
    async def main():
        gate: Any = Gate({"up": {"m": Rates(output_tokens=100)}})
        toll = await gate.draw(1, 0, 100)
        first = asyncio.create_task(gate.draw(1, 0, 100, timeout_s=600))
        await turns()
        second = asyncio.create_task(gate.draw(1, 0, 20, timeout_s=600))
        await turns()
        toll.used(0, 70)
        await turns()
        # There would be room for the second, but it is the first one's turn.
        assert not second.done()
        first.cancel()
        await turns()
        assert second.done()
        assert len(gate._gates["up", "m"].line) == 0

    asyncio.run(main())


def test_who_is_served_in_the_moment_that_it_leaves_gives_back_what_it_drew():
    async def main():
        gate: Any = Gate({"up": {"m": Rates(output_tokens=100)}})
        toll = await gate.draw(1, 0, 100)
        waiting = asyncio.create_task(gate.draw(1, 0, 80, timeout_s=600))
        await turns()
        toll.unsent()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await gate.draw(1, 0, 100) is not None

    asyncio.run(main())


def test_tenant_at_its_own_rate_holds_nobody_up_and_keeps_its_place():
    async def main():
        gate: Any = Gate({"up": {"*": Rates(requests=100)}}, {"small": Rates(requests=1)})
        await gate.draw(1, 0, 0, tenant="small")
        waiting = asyncio.create_task(gate.draw(1, 0, 0, tenant="small", timeout_s=600))
        await turns()
        await gate.draw(1, 0, 0, tenant="big", timeout_s=5)
        await turns()
        assert not waiting.done()
        line = gate._gates["up", "*"].line
        assert line._timer is not None
        # It is looked at again when the small one may go, and no earlier.
        left_s = line._timer.when() - asyncio.get_running_loop().time()
        assert 55 < left_s <= 60
        gate.fake.advance(60)
        line.pump()
        assert await waiting is not None
        assert line._timer is None

    asyncio.run(main())


def test_tenants_are_served_in_turn_each_its_oldest_first():
    async def main():
        gate: Any = Gate({"up": {"*": Rates(requests=60)}})
        await gate.draw(60, 0, 0)
        order: list[str] = []

        async def one(name):
            await gate.draw(1, 0, 0, tenant=name[0], timeout_s=600)
            order.append(name)

        tasks = []
        for name in ("a1", "a2", "a3", "b1", "b2"):
            tasks.append(asyncio.create_task(one(name)))
            await turns()
        for _ in range(5):
            gate.fake.advance(1)
            gate._gates["up", "*"].line.pump()
            await turns()
        await asyncio.gather(*tasks)
        assert order == ["a1", "b1", "a2", "b2", "a3"]

    asyncio.run(main())


def test_who_waits_to_the_deadline_in_vain_is_told_a_second_or_the_wait_that_is_left():
    async def main():
        gate: Any = Gate({"up": {"m": Rates(requests=60)}})
        await gate.draw(60, 0, 0)
        ahead = asyncio.create_task(gate.draw(60, 0, 0, tenant="b", timeout_s=600))
        await turns()
        gate.fake.advance(1)
        with pytest.raises(RateLimited) as refused:
            await gate.draw(1, 0, 0, timeout_s=0.01)
        assert refused.value.fields == {"retry_after_s": 1.0}
        with pytest.raises(RateLimited) as later:
            await gate.draw(3, 0, 0, timeout_s=2.0)
        assert later.value.fields["retry_after_s"] in (1.0, 2.0)
        ahead.cancel()
        await asyncio.gather(ahead, return_exceptions=True)

    asyncio.run(main())
