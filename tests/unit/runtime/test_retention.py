"""A pass of retention: memory and store agree after it, and what is needed still works."""

import asyncio

import pytest

from holdfast.core.sessions import Command
from holdfast.errors import Conflict, StoreUnavailable
from holdfast.model.events import Kind
from holdfast.model.retention import PurgeCounts
from holdfast.model.risk import RiskLevel
from holdfast.model.tools import CallState, Effect, Idempotency
from holdfast.runtime.guard import Asked
from holdfast.runtime.outcomes import Finish
from holdfast.runtime.retention import Terms
from tests.unit.runtime.house import CONTRACTS, House, contract

DAY = 86_400
TO = {"type": "object", "properties": {"to": {"type": "string"}}, "required": ["to"]}
PAY = contract(
    "pay_keyed", Effect.COMMIT, RiskLevel.LOW, input_schema=TO, idempotency=Idempotency.KEYED
)


class Kept:
    """A house, its retention, and one session that paid and is over."""

    def __init__(self, **terms):
        self.home = House(contracts=(*CONTRACTS, PAY), decided={"terms": Terms(**terms)})
        self.retention = self.home.retention

    async def paid(self, call_id="toolu_1", *, task="refunds/7", end=True):
        home = self.home
        live = await home.open(task_attributes={"who": "ann"}, task=task)
        home.emit(live, call_id, "pay_keyed", {"to": "ann"})
        asked = Asked(
            call_id=call_id,
            tool="pay_keyed",
            arguments={"to": "ann"},
            door="test",
            takes_stored=True,
        )
        ruling = await home.guard.decide(live, asked)
        if ruling.stored is None:
            await home.outcomes.finish(live, Finish(call_id=call_id, ok=True, output={"paid": 1}))
        if end:
            await home.sessions.change(live, Command.END, "done")
        return live, ruling

    def days(self, count):
        self.home.clock.advance(count * DAY)


def test_calls_of_an_ended_session_go_and_its_memory_with_them():
    async def main():
        kept = Kept(sessions_days=30)
        live, _ = await kept.paid()
        name = live.session.session_id
        assert kept.home.sessions.loaded(name) is live
        kept.days(29)
        assert (await kept.retention.collect(by="admin")).counts == PurgeCounts()
        kept.days(2)
        assert (await kept.retention.trial()).counts == PurgeCounts(sessions=1, calls=1)
        done = await kept.retention.collect(by="admin")
        assert done.counts == PurgeCounts(sessions=1, calls=1)
        assert kept.home.sessions.loaded(name) is None
        again = await kept.home.sessions.get(name)
        assert again.calls == {}
        assert again.session.purged_at_ns > 0
        with pytest.raises(Conflict, match="retention deleted"):
            await kept.home.open(parent=name)

    asyncio.run(main())


def test_a_live_session_keeps_everything_however_old():
    async def main():
        kept = Kept(sessions_days=1, effects_days=7)
        live, _ = await kept.paid(end=False)
        kept.days(400)
        assert (await kept.retention.collect(by="admin")).counts == PurgeCounts()
        assert live.calls["toolu_1"].state is CallState.EXECUTED

    asyncio.run(main())


def test_once_an_effect_was_deleted_the_same_key_runs_again_and_not_before():
    async def main():
        kept = Kept(sessions_days=1, effects_days=30)
        await kept.paid()
        kept.days(20)
        await kept.retention.collect(by="admin")
        _, ruling = await kept.paid("toolu_2")
        assert ruling.stored is not None
        kept.days(31)
        done = await kept.retention.collect(by="admin")
        assert done.counts.effects == 1
        _, ruling = await kept.paid("toolu_3")
        assert ruling.stored is None

    asyncio.run(main())


def test_without_days_nothing_goes_but_what_expired():
    async def main():
        kept = Kept()
        await kept.paid()
        kept.days(4000)
        assert (await kept.retention.collect(by="admin")).counts == PurgeCounts()
        done = await kept.retention.collect(older_than_s=10, by="admin")
        assert done.counts == PurgeCounts(sessions=1, calls=1)

    asyncio.run(main())


def test_each_pass_leaves_one_record_and_the_timer_none_where_nothing_was_old():
    async def main():
        kept = Kept(sessions_days=1)
        await kept.paid()

        def told():
            found = [r for r in kept.home.store.journal if r.kind is Kind.RETENTION_APPLIED]
            return [(r.body["by"], r.body["sessions"], r.body["calls"]) for r in found]

        await kept.retention.due()
        assert told() == []
        await kept.retention.collect(by="admin")
        assert told() == [("admin", 0, 0)]
        kept.days(2)
        await kept.retention.due()
        assert told()[1:] == [("the timer", 1, 1)]

    asyncio.run(main())


def test_a_pass_that_fails_says_how_far_it_came_and_the_next_goes_on():
    async def main():
        kept = Kept(sessions_days=1)
        for n in range(3):
            await kept.paid(f"toolu_{n}", task=f"refunds/{n}")
        kept.days(2)
        purge, steps = kept.home.store.purge, []

        async def once_and_no_more(*given, **more):
            steps.append(1)
            if len(steps) == 2:
                raise StoreUnavailable("the disk refused to read or write")
            return await purge(*given, now_ns=more["now_ns"], limit=2)

        kept.home.store.purge = once_and_no_more
        with pytest.raises(StoreUnavailable):
            await kept.retention.collect(by="admin")
        record = kept.home.store.journal[-1]
        assert record.kind is Kind.RETENTION_APPLIED
        assert (record.body["sessions"], record.body["fault"]) == (
            2,
            "the disk refused to read or write",
        )
        assert (await kept.retention.collect(by="admin")).counts.sessions == 1

    asyncio.run(main())


def test_two_passes_at_once_are_refused_and_decisions_go_on_between_steps():
    async def main():
        kept = Kept(sessions_days=1)
        for n in range(120):
            await kept.paid(f"toolu_{n}", task=f"refunds/{n}")
        kept.days(2)
        async with asyncio.TaskGroup() as group:
            passing = group.create_task(kept.retention.collect(by="admin"))
            await asyncio.sleep(0.001)
            with pytest.raises(Conflict):
                await kept.retention.collect(by="admin")
            await kept.retention.due()
            _, ruling = await kept.paid("toolu_now", task="refunds/now")
            assert ruling.permit
            assert not passing.done()
        assert passing.result().counts.sessions == 120

    asyncio.run(main())
