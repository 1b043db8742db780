"""Accounts that left the memory: whoever still holds their session works on, and no sum is lost."""

import asyncio
from typing import Any

import pytest

from holdfast.core.delegation import DELEGATE_TOOL
from holdfast.core.delegation import Asked as AskedChild
from holdfast.errors import Exhausted, StoreUnavailable
from holdfast.model.budgets import Dimension, Scope
from holdfast.model.decisions import Verdict
from holdfast.model.events import Kind
from tests.unit.runtime.house import CONTRACTS, JSON, House, contract, limit, whole_answer

CALLS, USD = Dimension.TOOL_CALLS, Dimension.USD


async def durable(house):
    """All that was queued is on disk, and whoever waited for it was told."""
    await house.store.commit()
    await asyncio.sleep(0)


async def forgotten(house, *limits, **more):
    """A session that a request still holds, and the server does not."""
    live = await house.open(*limits, **more)
    house.sessions.forget(live)
    await durable(house)
    assert not any(house.budgets.ledger.knows(key) for key in live.chain)
    return live


def spend(house, live, amount, hold_id="h"):
    house.budgets.reserve_now(hold_id, live.session, live.chain, {USD: amount}, purpose="p")
    house.budgets.settle_now(hold_id, {USD: amount}, live.who)


async def settled(house, live):
    return [state.settled for state in await house.budgets.states(live.chain)]


def test_call_of_a_forgotten_session_is_decided_under_its_recalled_accounts():
    async def main():
        house = House()
        live = await forgotten(house, limit(CALLS, 1), limit(CALLS, 9, Scope.USER))
        assert (
            await house.decide(live, "c1", "look", {"order": "7"})
        ).decision.verdict is Verdict.ALLOW
        denied = await house.decide(live, "c2", "look", {"order": "7"})
        assert denied.decision.deciding.code == "budget_exceeded"
        await house.finish(live, "c1")
        await durable(house)
        assert house.budgets.ledger.all_states(1) == []
        assert await settled(house, live) == [1, 1]

    asyncio.run(main())


def test_model_call_of_a_forgotten_session_is_paid_from_its_recalled_accounts():
    async def main():
        house = House()
        live = await forgotten(house, limit(USD, 10**9), limit(USD, 10**9, Scope.TENANT))
        house.upstream.script = [(200, JSON, [whole_answer()])]
        await (await house.call(live, stream=False)).whole()
        await durable(house)
        own, tenant = await settled(house, live)
        assert own == tenant > 0
        assert house.budgets.ledger.all_states(1) == []
        spent = await forgotten(house, limit(USD, 1), limit(USD, tenant, Scope.TENANT), user="bob")
        with pytest.raises(Exhausted):
            await house.call(spent)

    asyncio.run(main())


def test_child_of_a_forgotten_session_shares_its_recalled_accounts():
    async def main():
        house: Any = House(contracts=(*CONTRACTS, contract(DELEGATE_TOOL, first_party=True)))
        live = await forgotten(house, limit(CALLS, 5), limit(CALLS, 9, Scope.USER))
        asked = AskedChild(tools=("look",), caps={CALLS: 3})
        child, _ = await house.delegation.delegate(live, asked, task_text="look")
        assert all(house.budgets.ledger.knows(key) for key in child.chain)
        assert (
            await house.decide(child, "c1", "look", {"order": "7"})
        ).decision.verdict is Verdict.ALLOW
        held = [state.held for state in await house.budgets.states(child.chain)]
        assert held == [1, 1, 1]

    asyncio.run(main())


def test_account_stays_in_memory_until_what_was_spent_on_it_is_durable():
    async def main():
        house = House()
        live = await house.open(limit(USD, 100))
        house.store.hold_commits()
        spend(house, live, 7)
        house.sessions.forget(live)
        assert house.budgets.ledger.knows(live.chain[0])
        house.store.release_commits()
        await durable(house)
        assert not house.budgets.ledger.knows(live.chain[0])
        assert await settled(house, live) == [7]

    asyncio.run(main())


def test_sum_that_the_store_refused_stays_in_memory_and_is_written_with_the_next():
    async def main():
        house = House()
        live = await house.open(limit(USD, 100))
        commit = house.store.commit

        def full(records=(), changes=()):
            refused = asyncio.get_running_loop().create_future()
            refused.set_exception(StoreUnavailable("too much is waiting for the disk already"))
            return refused

        house.store.commit = full
        spend(house, live, 7)
        house.store.commit = commit
        house.sessions.forget(live)
        await durable(house)
        assert house.budgets.ledger.knows(live.chain[0])
        assert await settled(house, live) == [7]
        spend(house, live, 5, "again")
        await durable(house)
        assert not house.budgets.ledger.knows(live.chain[0])
        assert await settled(house, live) == [12]

    asyncio.run(main())


def test_settlement_whose_waiter_left_counts_as_written_once_it_is():
    async def main():
        house = House()
        live = await house.open(limit(USD, 100))
        house.store.hold_commits()
        house.budgets.reserve_now("h", live.session, live.chain, {USD: 7}, purpose="p")
        _, written = house.budgets.settle("h", {USD: 7}, live.who)
        written.cancel()
        house.sessions.forget(live)
        await asyncio.sleep(0)
        assert house.budgets.ledger.knows(live.chain[0])
        house.store.release_commits()
        await durable(house)
        assert house.budgets.ledger.all_states(1) == []
        assert await settled(house, live) == [7]

    asyncio.run(main())


def test_limit_set_by_hand_is_recalled_though_its_commit_was_still_on_its_way():
    async def main():
        house = House()
        live = await forgotten(house, limit(USD, 100))
        key = live.chain[0]
        async with house.budgets.at_hand((key,)):
            house.store.hold_commits()
            house.budgets.set_limit(
                key, 3, house.journal.record_as_told(Kind.BUDGET_CHANGED, live.who, {})
            )
        assert not house.budgets.ledger.knows(key)
        reading = asyncio.create_task(house.budgets.states([key]))
        await asyncio.sleep(0)
        house.store.release_commits()
        assert [(s.limit, s.set_by_hand) for s in await reading] == [(3, True)]

    asyncio.run(main())


def test_store_that_cannot_be_read_refuses_and_leaves_nothing_in_use():
    async def main():
        house = House()
        live = await forgotten(house, limit(CALLS, 5))
        house.store.fail_reads()
        with pytest.raises(StoreUnavailable):
            await house.decide(live, "c1", "look", {"order": "7"})
        house.store.fail_reads("")
        assert not house.budgets.ledger.knows(live.chain[0])
        assert (
            await house.decide(live, "c2", "look", {"order": "7"})
        ).decision.verdict is Verdict.ALLOW

    asyncio.run(main())


def test_budgets_are_not_recalled_from_a_store_that_lost_a_commit():
    async def main():
        house = House()
        live = await forgotten(house, limit(USD, 100))
        house.store.fail_commits()
        with pytest.raises(StoreUnavailable):
            await house.budgets.states(live.chain)
        with pytest.raises(StoreUnavailable):
            await house.call(live)

    asyncio.run(main())
