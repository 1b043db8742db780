"""What waits for a cap to be raised: runs as well as sessions, over a crash too."""

import asyncio

import pytest

from holdfast.core.approvals import By, Move, moved
from holdfast.model.approvals import RAISE
from holdfast.model.budgets import AccountKey, Dimension, Refused, Scope, Window
from holdfast.model.runs import RunState
from holdfast.ports.store import ApprovalFilter
from holdfast.runtime.raises import account_of
from tests.unit.runtime.test_queue import Office

TENANT = AccountKey(Scope.TENANT, "acme", Dimension.USD, Window.CALENDAR_DAY)
DAY_NS = 86_400 * 10**9


def refused(key=TENANT, limit=9):
    return Refused(key, limit, 8, 0, 4, fits_when_settled=False)


async def parked(office, key=TENANT):
    """A run whose worker read that a cap is spent."""
    run = await office.submit()
    claimed = await office.claim()
    live = await office.live(run)
    live.refused = refused(key)
    await office.runs.leave(live, claimed.run.epoch, RunState.PARKED, "budget_exceeded: spent")
    return run


async def questions(office):
    await office.house.journal.commit(())
    return [
        one for one in await office.house.store.approvals(ApprovalFilter()) if one.tool == RAISE
    ]


def test_runs_that_a_cap_parked_are_one_question_and_go_on_together():
    async def main():
        office = Office()
        runs = [await parked(office) for _ in range(3)]
        other = await parked(office, AccountKey(Scope.USER, "acme/ann", Dimension.USD, Window.DAY))
        asked = {one.resource: one for one in await questions(office)}
        assert len(asked) == 2
        one = asked[str(TENANT)]
        assert account_of(one) == TENANT
        assert one.arguments["needed"] == 12
        yes = moved(one, Move.APPROVE, By.PERSON, at_ns=1, answered_by="bob")
        await office.house.journal.commit((), [yes])
        # What a crash broke off is finished by the next process.
        office = await office.crashed()
        await office.house.raises.finish()
        states = [(await office.runs.get(run.run_id)).state for run in runs]
        assert states == [RunState.QUEUED] * 3
        left = await office.runs.get(other.run_id)
        assert (left.state, left.parked_for) == (RunState.PARKED, "user:acme/ann:usd:day")

    asyncio.run(main())


def test_a_run_whose_cap_is_raised_before_it_waits_goes_on_at_once():
    async def main():
        office = Office()
        run = await office.submit()
        claimed = await office.claim()
        live = await office.live(run)
        live.refused = refused()
        office.house.raises.was_raised = lambda _: True
        await office.runs.leave(live, claimed.run.epoch, RunState.PARKED, "budget_exceeded")
        assert (await office.runs.get(run.run_id)).state is RunState.DELAYED
        assert (await office.claim()).run.run_id == run.run_id

    asyncio.run(main())


@pytest.mark.parametrize(
    "key", [TENANT, TENANT.__class__(Scope.TENANT, "acme", Dimension.USD, Window.LIFE)]
)
def test_what_nobody_raised_is_asked_about_again_in_another_window_alone(key):
    async def main():
        office = Office()
        await parked(office, key)
        (one,) = await questions(office)
        await office.house.journal.commit((), [moved(one, Move.DENY, By.PERSON, at_ns=1)])
        await parked(office, key)
        assert len(await questions(office)) == 1
        office.house.clock.advance(2 * 86_400)
        await parked(office, key)
        assert len(await questions(office)) == (2 if key is TENANT else 1)

    asyncio.run(main())
