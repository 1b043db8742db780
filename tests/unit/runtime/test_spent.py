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


async def asks(home, live, *tools, results=()):
    """One model call, whose answer asks for these calls; with results of calls before it."""
    asked = [tool_block(c, tool, given, index=n) for n, (c, tool, given) in enumerate(tools)]
    blocks = [part for one in asked for part in one]
    said = blocks or text_block("that is what I found")
    ended = stopped(reason="tool_use" if tools else "end_turn")
    home.upstream.script = [(200, SSE, [started(message_id=f"m{live.turn}"), *said, *ended])]
    told = [result_message(c, is_error=bool(live.calls[c].denial)) for c in results]
    given = {"messages": told} if told else {}
    answer = await home.call(live, **given)
    async for _ in answer.events():
        pass


def test_a_session_that_used_exactly_its_tool_calls_says_what_they_returned_and_goes_on():
    async def main():
        home = house()
        live = await home.open(limit(Dimension.TOOL_CALLS, 2))
        await asks(home, live, ("c1", "look", LOOK), ("c2", "look", {"order": "8"}))
        for call_id, order in (("c1", LOOK), ("c2", {"order": "8"})):
            assert (await home.decide(live, call_id, "look", order, emit=False)).permit
            await home.finish(live, call_id)
        assert home.account(live, Dimension.TOOL_CALLS).settled == 2
        await asks(home, live, results=["c1", "c2"])
        # A judge, a summary, a word of thanks: none of it draws on tool calls.
        await asks(home, live)
        assert live.turn == 3

    asyncio.run(main())


def test_a_session_that_asks_for_one_call_more_is_stopped_models_and_tools_until_there_is_room():
    async def main():
        home = house()
        live = await home.open(limit(Dimension.TOOL_CALLS, 1))
        await asks(home, live, ("c1", "look", LOOK))
        assert (await home.decide(live, "c1", "look", LOOK, emit=False)).permit
        await home.finish(live, "c1")
        await asks(home, live, ("c2", "look", {"order": "8"}), results=["c1"])
        assert not (await home.decide(live, "c2", "look", {"order": "8"}, emit=False)).permit
        sent, who = len(home.upstream.messages), f"session acme/{live.session.session_id}"
        for _ in range(2):
            with pytest.raises(Exhausted) as refused:
                await asks(home, live, results=["c1", "c2"])
            assert refused.value.message == (
                "budget_exceeded: session tool_calls (life) is capped at 1, 1 is spent: an operator"
                f" raises it with `holdfast budget set {who} tool_calls life LIMIT`"
            )
        with pytest.raises(Exhausted):
            await asks(home, live)  # Nor as if it began anew.
        assert len(home.upstream.messages) == sent
        assert home.written(Kind.BUDGET_DECIDED)[-1].body["purpose"] == "model"
        home.nothing_held()
        # It is so after a restart, too, and over once the cap is raised.
        home.sessions.forget(live)
        live = await home.sessions.get(live.session.session_id)
        with pytest.raises(Exhausted):
            await asks(home, live, results=["c1", "c2"])
        set_cap(home, live, Scope.SESSION, Dimension.TOOL_CALLS, 2)
        await asks(home, live, ("c3", "look", {"order": "9"}), results=["c1", "c2"])
        assert (await home.decide(live, "c3", "look", {"order": "9"}, emit=False)).permit

    asyncio.run(main())


def test_of_calls_asked_for_at_once_those_that_ran_are_answered_with_those_that_did_not():
    async def main():
        home = house()
        live = await home.open(limit(Dimension.TOOL_CALLS, 2))
        names = [(f"c{n}", "look", {"order": str(n)}) for n in range(4)]
        await asks(home, live, *names)
        got = [await home.decide(live, *one, emit=False) for one in names]
        assert [bool(one.permit) for one in got] == [True, True, False, False]
        for one in ("c0", "c1"):
            await home.finish(live, one)
        await asks(home, live, ("c4", "look", {"order": "9"}), results=["c0", "c1", "c2", "c3"])
        assert not (await home.decide(live, "c4", "look", {"order": "9"}, emit=False)).permit
        with pytest.raises(Exhausted):
            await asks(home, live, results=["c0", "c1", "c2", "c3", "c4"])

    asyncio.run(main())


@pytest.mark.parametrize("dimension", [d for d in Dimension if d is not Dimension.TOOL_CALLS])
@pytest.mark.parametrize("scope", list(Scope))
def test_whatever_else_is_spent_stops_the_next_model_call_by_the_same_gate(dimension, scope):
    async def main():
        home = house()
        live = await home.open(limit(dimension, 10**10, scope))
        await asks(home, live)
        spend(home, live, dimension, 10**10)
        with pytest.raises(Exhausted, match=f"^budget_exceeded: {scope} {dimension}"):
            await asks(home, live)

    asyncio.run(main())


def test_an_agent_without_tool_calls_may_speak():
    async def main():
        home = house()
        live = await home.open(limit(Dimension.TOOL_CALLS, 0))
        await asks(home, live)
        await asks(home, live, ("c1", "look", LOOK))
        assert not (await home.decide(live, "c1", "look", LOOK, emit=False)).permit
        with pytest.raises(Exhausted):
            await asks(home, live, results=["c1"])

    asyncio.run(main())
