"""Costs are what budgets were charged: to the nano-dollar, whoever asks and however it came."""

import asyncio
from collections import Counter
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.errors import HoldfastError
from holdfast.model.budgets import AccountKey, Dimension, Scope, Window
from holdfast.model.costs import CostBy
from holdfast.ports.store import CostFilter
from tests.unit.runtime.house import MODEL, SSE, House, limit, started, stopped, text_block

CAP = 10**12
CALL = st.tuples(
    st.sampled_from(["ann", "bob"]),
    st.integers(0, 2_000),
    st.integers(1, 90),
    st.sampled_from(["whole", "broken", "refused", "lost"]),
)


def answer(tokens_in, tokens_out, how):
    if how == "refused":
        return (400, {"content-type": "application/json"}, [b'{"type":"error"}'])
    pieces = [started(tokens_in), *text_block("x" * tokens_out), *stopped(tokens_out)]
    return (200, SSE, pieces[:2] if how == "broken" else pieces)


async def charged(house, scope):
    """What the accounts of a scope say, by their owners."""
    keys = [
        AccountKey(scope, owner, Dimension.USD, Window.LIFE)
        for owner in ("acme/ann", "acme/bob", "acme/shop", "acme")
    ]
    found = await house.budgets.states(keys)
    return Counter({one.key.owner.split("/")[-1]: one.settled for one in found if one.settled})


async def told(house, by):
    found = await house.store.costs(CostFilter(by=(by,), tenant="acme"))
    assert found.cost_nusd == sum(one.cost_nusd for one in found.dearest)
    return Counter({one.names[0]: one.cost_nusd for one in found.dearest})


@settings(max_examples=25, deadline=None)
@given(st.lists(CALL, min_size=1, max_size=8))
def test_costs_by_user_project_and_tenant_are_what_their_accounts_were_charged(calls):
    async def main():
        house = House()
        caps = [limit(Dimension.USD, CAP, s) for s in (Scope.USER, Scope.PROJECT, Scope.TENANT)]
        live = {user: await house.open(*caps, user=user) for user in ("ann", "bob")}
        for n, (user, tokens_in, tokens_out, how) in enumerate(calls):
            if how == "lost":
                keys = live[user].chain
                held = {Dimension.USD: tokens_in + tokens_out}
                await house.budgets.reserve(
                    f"h{n}", live[user].session, keys, lambda held=held: held,
                    purpose="model", wait_s=0,
                )  # fmt: skip
                continue
            house.upstream.script = [answer(tokens_in, tokens_out, how)]
            with suppress(HoldfastError):
                come = await house.call(live[user])
                if not come.streams:
                    await come.whole()
                    continue
                async for _ in come.events():
                    pass
        holds = house.budgets.ledger.open_holds()
        by_session = {one.session.session_id: one.who for one in live.values()}
        house.budgets.settle_orphans(holds, by_session.__getitem__)
        await house.journal.commit(())
        for scope, by in (
            (Scope.USER, CostBy.USER),
            (Scope.PROJECT, CostBy.PROJECT),
            (Scope.TENANT, CostBy.TENANT),
        ):
            assert await told(house, by) == await charged(house, scope)
        assert sum((await told(house, CostBy.DAY)).values()) == sum(
            (await charged(house, Scope.TENANT)).values()
        )
        assert set(await told(house, CostBy.MODEL)) <= {MODEL, ""}

    asyncio.run(main())
