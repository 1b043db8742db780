"""An account that is spent stops tool calls as it stops model calls, at every way to one."""

import asyncio

import pytest

from holdfast.errors import Exhausted, PermitInvalid
from holdfast.model.attempts import Next
from holdfast.model.budgets import AccountKey, Dimension, Scope, Window
from holdfast.model.decisions import Verdict
from holdfast.model.effects import EffectState
from holdfast.model.events import Kind
from holdfast.model.risk import RiskLevel
from holdfast.model.tools import CallState, Effect, Idempotency
from holdfast.runtime.attempts import Retry
from holdfast.runtime.budgets import owners
from holdfast.runtime.guard.stages import MOST_ATTEMPTS
from tests.unit.runtime.house import (
    CONTRACTS,
    SSE,
    House,
    contract,
    limit,
    result_message,
    started,
    stopped,
    text_block,
    tool_block,
)

LOOK = {"order": "7"}
SEE = contract("see", idempotency=Idempotency.PURE)
KEYED = contract("book", Effect.COMMIT, RiskLevel.LOW, idempotency=Idempotency.KEYED)


def house(**more):
    return House(contracts=(*CONTRACTS, KEYED, SEE), **more)


def spend(home, live, dimension, amount):
    """As if other work had used so much of every account of the chain."""
    hold_id = f"spent-{dimension}-{home.entropy.new_id('hld')}"
    home.budgets.ledger.reserve(
        hold_id, live.chain, {}, session=live.session.session_id, purpose="model", now_ns=0
    )
    home.budgets.settle_now(hold_id, {dimension: amount}, live.who)


def set_cap(home, live, scope, dimension, amount, window=Window.LIFE):
    key = AccountKey(scope, owners(live.who)[scope], dimension, window)
    record = home.journal.record_as_told(Kind.BUDGET_CHANGED, None, {"account": str(key)})
    home.budgets.set_limit(key, amount, record)


@pytest.mark.parametrize("dimension", list(Dimension))
@pytest.mark.parametrize("scope", list(Scope))
def test_an_account_at_its_limit_refuses_the_next_tool_call_in_every_dimension_and_scope(
    dimension, scope
):
    async def main():
        home = house()
        live = await home.open(limit(dimension, 5, scope))
        assert (await home.decide(live, "c1", "look", LOOK)).permit
        await home.finish(live, "c1")
        spend(home, live, dimension, 5 - (dimension is Dimension.TOOL_CALLS))
        ruling = await home.decide(live, "c2", "look", {"order": "8"})
        assert (ruling.decision.verdict, ruling.permit) == (Verdict.DENY, "")
        assert ruling.message.startswith(f"budget_exceeded: {scope} {dimension} (life) is capped")
        assert home.written(Kind.BUDGET_DECIDED)[-1].verdict == "deny"
        home.nothing_held()

    asyncio.run(main())


@pytest.mark.parametrize("dimension", [Dimension.USD, Dimension.TOKENS])
@pytest.mark.parametrize("scope", list(Scope))
def test_a_cap_that_is_set_to_nothing_stops_a_commit_that_was_free_before(dimension, scope):
    async def main():
        home = house()
        live = await home.open(limit(dimension, 10**9, scope))
        assert (await home.decide(live, "c1", "book", {"x": 1})).permit
        await home.finish(live, "c1")
        set_cap(home, live, scope, dimension, 0)
        ruling = await home.decide(live, "c2", "book", {"x": 2})
        assert ruling.message.startswith("budget_exceeded: ")
        # There is room again: nothing else has to happen.
        set_cap(home, live, scope, dimension, 10**9)
        assert (await home.decide(live, "c3", "book", {"x": 2})).permit

    asyncio.run(main())


def test_what_an_open_call_holds_is_not_spent_and_stops_no_tool():
    async def main():
        home = house()
        live = await home.open(limit(Dimension.USD, 100))
        home.budgets.ledger.reserve(
            "open", live.chain, {Dimension.USD: 100}, session="s", purpose="model", now_ns=0
        )
        assert (await home.decide(live, "c1", "look", LOOK)).permit

    asyncio.run(main())


def test_one_answer_that_takes_a_session_past_its_cap_is_followed_by_no_tool():
    async def main():
        home = house()
        # Held for 100 tokens; the provider says that it used many more.
        live = await home.open(limit(Dimension.USD, 20_000_000))
        blocks = [part for n in range(8) for part in tool_block(f"c{n}", "book", {"n": n}, index=n)]
        used = stopped(output_tokens=5_000, reason="tool_use")
        home.upstream.script = [(200, SSE, [started(), *blocks, *used])]
        answer = await home.call(live)
        async for _ in answer.events():
            pass
        account = home.account(live, Dimension.USD)
        assert account.settled >= account.limit
        for n in range(8):
            ruling = await home.decide(live, f"c{n}", "book", {"n": n}, emit=False)
            assert ruling.message.startswith("budget_exceeded: session usd (life) is capped at $0")
        assert not any(call.permit_id for call in live.calls.values())

    asyncio.run(main())


def test_a_window_that_moved_on_opens_the_way_again():
    async def main():
        home = house()
        live = await home.open(limit(Dimension.TOKENS, 10, Scope.USER, Window.HOUR), ttl_s=9_000)
        spend(home, live, Dimension.TOKENS, 10)
        assert not (await home.decide(live, "c1", "look", LOOK)).permit
        home.clock.advance(3700)
        assert (await home.decide(live, "c2", "look", LOOK)).permit

    asyncio.run(main())


def again(home, live, tool="see", arguments=None):
    retry = Retry(call_id="c1", tool=tool, arguments=arguments or LOOK, door="test")
    return home.attempts.again(live, retry)


@pytest.mark.parametrize("tool", ["see", "book"])
def test_a_further_attempt_counts_as_a_tool_call_and_stops_at_the_cap(tool):
    async def main():
        home = house()
        live = await home.open(limit(Dimension.TOOL_CALLS, 5))
        assert (await home.decide(live, "c1", tool, LOOK)).permit
        found = [(await again(home, live, tool)).next for _ in range(6)]
        ended = Next.DENIED if tool == "see" else Next.PARKED
        assert found == [Next.EXECUTE] * 4 + [ended] * 2
        assert home.account(live, Dimension.TOOL_CALLS).settled == 5
        home.nothing_held()
        home.check_caps()

    asyncio.run(main())


def test_a_further_attempt_asks_every_budget_anew():
    async def main():
        home = house()
        live = await home.open(limit(Dimension.USD, 100, Scope.TENANT))
        await home.decide(live, "c1", "see", LOOK)
        assert (await again(home, live)).next is Next.EXECUTE
        spend(home, live, Dimension.USD, 100)
        refused = await again(home, live)
        assert (refused.next, refused.ruling.permit) == (Next.DENIED, "")
        assert "budget_exceeded" in refused.message

    asyncio.run(main())


def test_attempts_of_one_call_are_bounded_where_no_cap_is():
    async def main():
        assert MOST_ATTEMPTS <= 20
        home = house()
        live = await home.open()
        await home.decide(live, "c1", "book", LOOK)
        found = [(await again(home, live, "book")).next for _ in range(MOST_ATTEMPTS + 3)]
        assert found.count(Next.EXECUTE) == MOST_ATTEMPTS - 1
        # It may have taken effect, so a person says.
        assert found[-1] is Next.PARKED
        assert "attempts_exhausted" in live.calls["c1"].denial
        entry = await home.store.effect("acme", live.calls["c1"].effect_key)
        assert entry.state is EffectState.UNKNOWN

    asyncio.run(main())


@pytest.mark.parametrize("tool", ["see", "book"])
def test_a_permit_from_before_the_breach_opens_nothing_after_it(tool):
    async def main():
        home = house()
        live = await home.open(limit(Dimension.USD, 100))
        ruling = await home.decide(live, "c1", tool, LOOK)
        spend(home, live, Dimension.USD, 100)
        with pytest.raises(Exhausted, match=r"^budget_exceeded: session usd \(life\)"):
            await home.guard.redeem(live, ruling.permit, "c1", tool, LOOK)
        assert live.calls["c1"].state is CallState.DENIED
        home.nothing_held()
        with pytest.raises(PermitInvalid):
            await home.guard.redeem(live, ruling.permit, "c1", tool, LOOK)
        # Nothing was begun, so once there is room the same effect may be had.
        set_cap(home, live, Scope.SESSION, Dimension.USD, 200)
        assert (await home.decide(live, "c2", tool, LOOK)).permit
        # What the model reads of the first is our own text, whatever the client says.
        home.upstream.script = [(200, SSE, [started(), *text_block("ok"), *stopped()])]
        set_cap(home, live, Scope.SESSION, Dimension.USD, None)
        sent = await home.call(live, messages=[result_message("c1", "done", is_error=True)])
        async for _ in sent.events():
            pass
        content = home.upstream.messages[-1]["messages"][0]["content"][0]["content"]
        assert content == live.calls["c1"].denial

    asyncio.run(main())


def test_an_attempt_withdrawn_at_its_permit_leaves_the_one_before_it_for_a_person():
    async def main():
        home = house()
        live = await home.open(limit(Dimension.USD, 100))
        await home.decide(live, "c1", "book", LOOK)
        attempt = await again(home, live, "book")
        spend(home, live, Dimension.USD, 100)
        with pytest.raises(Exhausted):
            await home.guard.redeem(live, attempt.ruling.permit, "c1", "book", LOOK)
        entry = await home.store.effect("acme", live.calls["c1"].effect_key)
        assert entry.state is EffectState.UNKNOWN
        assert (await again(home, live, "book")).next is Next.PARKED

    asyncio.run(main())


def test_a_call_that_is_being_reported_is_not_taken_back_for_want_of_room():
    async def main():
        home = house()
        live = await home.open(limit(Dimension.USD, 100))
        ruling = await home.decide(live, "c1", "book", {"x": 1})
        spend(home, live, Dimension.USD, 100)
        live.deciding.add("c1")  # As while the hooks after it run.
        with pytest.raises(PermitInvalid):
            await home.guard.redeem(live, ruling.permit, "c1", "book", {"x": 1})
        states = [live.calls["c1"].state]
        live.deciding.clear()
        await home.finish(live, "c1")
        states.append(live.calls["c1"].state)
        assert states == [CallState.ALLOWED, CallState.EXECUTED]
        home.nothing_held()

    asyncio.run(main())
