"""Budgets alone: holds, the line before a full account, and what the journal says of each."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
from typing import Any

import msgspec
import pytest

from holdfast.errors import StoreUnavailable
from holdfast.model.budgets import (
    AccountKey,
    Dimension,
    HoldState,
    Refused,
    Reserved,
    Scope,
    Window,
)
from holdfast.model.events import Kind
from holdfast.runtime.budgets import accounts_of, last_ledger, owners
from tests.unit.runtime.alone.desk import Desk, draft, limit, told

USD, TOKENS, SECONDS = Dimension.USD, Dimension.TOKENS, Dimension.SECONDS


def key(live, dimension=USD, scope=Scope.SESSION, window=Window.LIFE):
    return AccountKey(scope, owners(live.who)[scope], dimension, window)


def state(desk, one):
    return desk.budgets.ledger.account(one, desk.clock.now_ns())


async def reserve(desk, live, hold_id, amounts, wait_s=0.0, **more):
    plan = amounts if callable(amounts) else lambda: amounts
    answer, _ = await desk.budgets.reserve(
        hold_id, live.session, live.chain, plan, purpose="model", wait_s=wait_s, **more
    )
    return answer


async def turns(times=20):
    for _ in range(times):
        await asyncio.sleep(0)


def test_owner_of_each_account_is_named_within_its_tenant():
    who = msgspec.structs.replace(draft().principal, session="ses_1", task="t1")
    assert owners(who) == {
        Scope.TASK: "acme/t1",
        Scope.SESSION: "acme/ses_1",
        Scope.USER: "acme/ann",
        Scope.PROJECT: "acme/shop",
        Scope.TENANT: "acme",
    }
    keys = accounts_of(Scope.USER, "acme/ann")
    assert keys == sorted(keys)
    assert len(keys) == len(Dimension) * len(Window)
    assert {(k.scope, k.owner) for k in keys} == {(Scope.USER, "acme/ann")}


def test_hold_is_durable_with_its_decision_and_what_came_along_when_it_is_handed_out():
    async def main():
        desk: Any = Desk()
        live = await desk.open(limit(USD, 100))
        seq = desk.seq
        extra = desk.journal.record_as_told(Kind.LOOP_ALERT, live.who, {})
        answer, amounts = await desk.budgets.reserve(
            "hld_1",
            live.session,
            live.chain,
            lambda: {USD: 60, TOKENS: 5},
            purpose="model",
            wait_s=0,
            extra=[extra],
        )
        assert answer == Reserved("hld_1")
        assert amounts == {USD: 60, TOKENS: 5}
        assert desk.since(seq, live.who) == [
            {"kind": "loop.alert"},
            {
                "kind": "budget.decided",
                "verdict": "allow",
                "body": {
                    "purpose": "model",
                    "amounts": {"usd": 60, "tokens": 5},
                    "hold_id": "hld_1",
                },
            },
        ]
        assert await desk.store.holds() == [
            HoldState(
                hold_id="hld_1",
                session=live.session.session_id,
                purpose="model",
                keys=(key(live),),
                amounts={USD: 60, TOKENS: 5},
                opened_at_ns=desk.clock.now_ns(),
            )
        ]
        ledger = await last_ledger(desk.store)
        assert ledger.account(key(live), 0).held == 60

    asyncio.run(main())


def test_refusal_of_what_is_spent_is_told_whole_and_alerts_of_an_account_that_is_full():
    async def main():
        desk: Any = Desk()
        live = await desk.open(limit(USD, 100, alerts=(50, 100)))
        await reserve(desk, live, "h", {USD: 30})
        await settled(desk.budgets.settle("h", {USD: 30}, live.who))
        seq = desk.seq
        refused = Refused(key(live), 100, 30, 0, 71, fits_when_settled=False)
        assert await reserve(desk, live, "i", {USD: 71}, wait_s=60) == refused
        name = str(key(live))
        decided = {
            "purpose": "model",
            "amounts": {"usd": 71},
            "account": name,
            "limit": 100,
            "settled": 30,
            "held": 0,
            "wanted": 71,
        }
        alert = {"account": name, "percent": 100, "limit": 100, "settled": 30}
        assert desk.since(seq, live.who) == [
            {"kind": "budget.alert", "body": alert},
            {"kind": "budget.decided", "verdict": "deny", "body": decided},
        ]
        [stored] = await desk.store.accounts([key(live)])
        assert stored.alerted == (100,)

    asyncio.run(main())


def test_refusal_for_what_others_hold_alerts_of_nothing():
    async def main():
        desk: Any = Desk()
        live = await desk.open(limit(USD, 100))
        await reserve(desk, live, "h", {USD: 60})
        seq = desk.seq
        answer = await reserve(desk, live, "i", {USD: 41})
        assert answer == Refused(key(live), 100, 0, 60, 41, fits_when_settled=True)
        [decided] = desk.since(seq, live.who)
        assert (decided["verdict"], decided["body"]["held"]) == ("deny", 60)

    asyncio.run(main())


def test_plan_that_refuses_is_the_answer_and_holds_nothing():
    async def main():
        desk: Any = Desk()
        live = await desk.open(limit(USD, 100))
        refused = Refused(key(live), 100, 0, 0, 500, fits_when_settled=False)
        answer, amounts = await desk.budgets.reserve(
            "h", live.session, live.chain, lambda: refused, purpose="model", wait_s=60
        )
        assert (answer, amounts) == (refused, {})
        assert desk.budgets.ledger.open_holds() == []

    asyncio.run(main())


def test_hold_that_did_not_become_durable_is_given_back():
    async def main():
        desk: Any = Desk()
        live = await desk.open(limit(USD, 100))
        desk.store.fail_commits()
        with pytest.raises(StoreUnavailable):
            await reserve(desk, live, "h", {USD: 60})
        assert desk.budgets.ledger.open_holds() == []
        assert state(desk, key(live)).held == 0

    asyncio.run(main())


async def settled(pair):
    done, durable = pair
    await durable
    return done


def test_those_who_wait_are_served_in_the_order_in_which_they_came():
    async def main():
        desk: Any = Desk()
        live = await desk.open(limit(USD, 100))
        await reserve(desk, live, "first", {USD: 100})
        order: list[str] = []

        async def waiting(name, amount):
            answer = await reserve(desk, live, name, {USD: amount}, wait_s=60)
            assert isinstance(answer, Reserved)
            order.append(name)

        tasks = [asyncio.create_task(waiting(*one)) for one in (("a", 90), ("b", 5), ("c", 5))]
        await turns()
        # Who comes later does not jump the line, though there would be room.
        await settled(desk.budgets.settle("first", {USD: 0}, live.who))
        jumped = await reserve(desk, live, "late", {USD: 1})
        assert isinstance(jumped, Reserved)
        await turns()
        assert order == ["a", "b"]
        desk.budgets.settle_now("late", {}, live.who)
        await turns()
        assert order == ["a", "b", "c"]
        await asyncio.gather(*tasks)
        assert len(desk.budgets._line) == 0

    asyncio.run(main())


def test_call_that_needs_none_of_what_others_wait_for_passes_them():
    async def main():
        desk: Any = Desk()
        live = await desk.open(limit(USD, 100), limit(TOKENS, 10))
        await reserve(desk, live, "first", {USD: 100})
        waiting = asyncio.create_task(reserve(desk, live, "a", {USD: 1}, wait_s=60))
        await turns()
        free = asyncio.create_task(reserve(desk, live, "b", {TOKENS: 3}, wait_s=60))
        await turns()
        assert free.done()
        assert not waiting.done()
        second = asyncio.create_task(reserve(desk, live, "c", {USD: 0}, wait_s=60))
        await turns()
        assert second.done()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert len(desk.budgets._line) == 0

    asyncio.run(main())


def test_who_moves_on_to_another_account_wakes_the_next_of_the_line_it_leaves():
    async def main():
        desk: Any = Desk()
        live = await desk.open(limit(USD, 100), limit(TOKENS, 100))
        # The account that is asked first is the one that both wait for at first.
        one, two = (account.dimension for account in live.chain)
        await reserve(desk, live, "x", {one: 100})
        await reserve(desk, live, "y", {two: 100})
        first = asyncio.create_task(reserve(desk, live, "a", {one: 60, two: 50}, wait_s=60))
        await turns()
        second = asyncio.create_task(reserve(desk, live, "b", {one: 40}, wait_s=60))
        await turns()
        # Now there is room for both: the first goes on to the other line, and the second may go.
        await settled(desk.budgets.settle("x", {}, live.who))
        await turns()
        assert second.done()
        assert not first.done()
        await settled(desk.budgets.settle("y", {}, live.who))
        assert isinstance(await first, Reserved)

    asyncio.run(main())


def test_who_moves_on_to_another_account_stands_there_by_when_it_came():
    async def main():
        desk: Any = Desk()
        live = await desk.open(limit(USD, 100), limit(TOKENS, 100))
        one, two = (account.dimension for account in live.chain)
        await reserve(desk, live, "x", {one: 100})
        await reserve(desk, live, "y", {two: 100})
        older = asyncio.create_task(reserve(desk, live, "a", {one: 60, two: 60}, wait_s=60))
        await turns()
        newer = asyncio.create_task(reserve(desk, live, "b", {two: 60}, wait_s=60))
        await turns()
        await settled(desk.budgets.settle("x", {}, live.who))
        await turns()
        await settled(desk.budgets.settle("y", {}, live.who))
        await turns()
        assert (older.done(), newer.done()) == (True, False)
        desk.budgets.settle_now("a", {}, live.who)
        assert isinstance(await newer, Reserved)

    asyncio.run(main())


def test_hold_of_a_call_that_is_given_up_in_that_very_moment_is_given_back():
    async def main():
        desk: Any = Desk()
        live = await desk.open(limit(USD, 100))
        await reserve(desk, live, "x", {USD: 100})
        leaving = asyncio.create_task(reserve(desk, live, "a", {USD: 60}, wait_s=60))
        await turns()
        next_one = asyncio.create_task(reserve(desk, live, "b", {USD: 60}, wait_s=60))
        await turns()
        desk.budgets.settle_now("x", {}, live.who)
        assert desk.budgets.ledger.hold("a") is not None
        leaving.cancel()
        assert isinstance(await next_one, Reserved)
        assert leaving.cancelled()
        assert desk.budgets.ledger.hold("a") is None

    asyncio.run(main())


def test_plan_that_fails_while_it_waits_is_its_own_fault():
    async def main():
        desk: Any = Desk()
        live = await desk.open(limit(USD, 100))
        await reserve(desk, live, "x", {USD: 100})
        plans = [{USD: 60}]
        failing = asyncio.create_task(
            desk.budgets.reserve(
                "a", live.session, live.chain, plans.pop, purpose="model", wait_s=60
            )
        )
        await turns()
        next_one = asyncio.create_task(reserve(desk, live, "b", {USD: 60}, wait_s=60))
        await turns()
        await settled(desk.budgets.settle("x", {}, live.who))
        with pytest.raises(IndexError):
            await failing
        assert isinstance(await next_one, Reserved)

    asyncio.run(main())


def test_settlement_asks_those_alone_who_wait_for_the_accounts_that_it_touches():
    async def main():
        desk: Any = Desk()
        asked: list[str] = []
        ours, theirs = [await desk.open(limit(USD, 100)) for _ in range(2)]

        def plan(name):
            asked.append(name)
            return {USD: 60}

        tasks = []
        for name, live in (("ours", ours), ("theirs", theirs), ("next", ours)):
            if name != "next":
                await reserve(desk, live, f"x-{name}", {USD: 100})
            waiting = desk.budgets.reserve(
                name, live.session, live.chain, lambda n=name: plan(n), purpose="model", wait_s=60
            )
            tasks.append(asyncio.create_task(waiting))
            await turns()
        asked.clear()
        await settled(desk.budgets.settle("x-ours", {}, ours.who))
        await turns()
        # The next one once, since the first of the line left it.
        assert asked == ["ours", "next"]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(main())


def test_who_waits_in_vain_gets_the_ledgers_own_word_at_the_deadline():
    async def main():
        desk: Any = Desk()
        live = await desk.open(limit(USD, 100))
        await reserve(desk, live, "h", {USD: 60})
        began = asyncio.get_running_loop().time()
        one = asyncio.create_task(reserve(desk, live, "a", {USD: 50}, wait_s=0.05))
        await turns()
        # Behind another one, too.
        other = await reserve(desk, live, "b", {USD: 70}, wait_s=0.02)
        assert not one.done()
        assert [(a.held, a.wanted) for a in (await one, other)] == [(60, 50), (60, 70)]
        assert asyncio.get_running_loop().time() - began >= 0.05
        assert len(desk.budgets._line) == 0

    asyncio.run(main())


def test_hold_at_once_is_refused_where_an_account_is_full_of_whatever():
    async def main():
        desk: Any = Desk()
        live = await desk.open(limit(USD, 100), limit(TOKENS, 10))
        answer, records, changes = desk.budgets.reserve_now(
            "h", live.session, live.chain, {TOKENS: 10}, purpose="tool"
        )
        assert answer == Reserved("h")
        assert [told(one, live.who)["body"] for one in records] == [
            {"purpose": "tool", "amounts": {"tokens": 10}, "hold_id": "h"}
        ]
        assert [one.hold_id for one in changes] == ["h"]
        desk.budgets.settle_now("h", {TOKENS: 10}, live.who)
        full = desk.budgets.full(live.chain)
        assert (full.key, full.limit, full.settled) == (key(live, TOKENS), 10, 10)
        answer, records, _ = desk.budgets.reserve_now(
            "i", live.session, live.chain, {USD: 1}, purpose="tool"
        )
        assert answer == full
        assert records[-1].body["amounts"] == {"usd": 1}
        assert records[-1].verdict == "deny"

    asyncio.run(main())


def test_growing_hold_is_durable_or_refused_as_it_is():
    async def main():
        desk: Any = Desk()
        live = await desk.open(limit(USD, 100))
        await reserve(desk, live, "h", {USD: 60})
        answer, durable = desk.budgets.extend("h", {USD: 40})
        await durable
        assert answer == Reserved("h")
        assert [hold.amounts for hold in await desk.store.holds()] == [{USD: 100}]
        answer, durable = desk.budgets.extend("h", {USD: 1})
        await durable
        assert isinstance(answer, Refused)
        assert state(desk, key(live)).held == 100

    asyncio.run(main())


def test_what_was_used_is_told_with_its_alerts_and_with_what_went_beyond():
    async def main():
        desk: Any = Desk()
        live = await desk.open(limit(USD, 100, alerts=(50, 80)), limit(TOKENS, 10, alerts=()))
        await reserve(desk, live, "h", {USD: 60, TOKENS: 5})
        seq = desk.seq
        said = desk.journal.record_as_told(Kind.MODEL_CALL_SETTLED, live.who, {})
        other = msgspec.structs.replace(live.session, session_id="ses_also", token_digest="")
        done = await settled(
            desk.budgets.settle("h", {USD: 101, TOKENS: 5}, live.who, [said], [other])
        )
        name = str(key(live))
        alerts = [
            {
                "kind": "budget.alert",
                "body": {"account": name, "percent": percent, "limit": 100, "settled": 101},
            }
            for percent in (50, 80)
        ]
        assert desk.since(seq, live.who) == [
            {"kind": "model_call.settled"},
            *alerts,
            {"kind": "budget.overshot", "body": {"account": name}},
        ]
        assert done.overshot == (key(live),)
        assert await desk.store.holds() == []
        assert await desk.store.session("ses_also") is not None
        spent = {one.key.dimension: one.settled for one in await desk.store.accounts()}
        assert spent == {USD: 101, TOKENS: 5}
        # A second end of the same hold does nothing more.
        await settled(desk.budgets.settle("h", {USD: 101}, live.who))
        assert state(desk, key(live)).settled == 101

    asyncio.run(main())


def test_alert_that_a_lowered_cap_makes_due_is_told_at_once_and_stored_with_its_account():
    async def main():
        desk: Any = Desk()
        live = await desk.open(limit(USD, 1_000, alerts=(50,)), limit(TOKENS, 10, alerts=(50,)))
        await reserve(desk, live, "h", {USD: 60})
        await settled(desk.budgets.settle("h", {USD: 60}, live.who))
        place = {"tenant": "acme", "session": live.session.session_id}
        seq = desk.seq
        for amount in (100, 110):
            record = desk.journal.record_as_told(Kind.BUDGET_CHANGED, None, {}, **place)
            changed, durable = desk.budgets.set_limit(key(live), amount, record)
            await durable
            assert (changed.limit, changed.set_by_hand) == (amount, True)
            assert changed.alerted == (50,)
        found = [one for one in desk.store.journal if one.seq > seq]
        kinds = ["budget.changed", "budget.alert", "budget.changed"]
        assert [one.kind for one in found] == kinds
        assert (found[1].tenant, found[1].session) == tuple(place.values())
        stored = {one.key.dimension: one.alerted for one in await desk.store.accounts()}
        assert stored == {USD: (50,), TOKENS: ()}

    asyncio.run(main())


def test_raised_cap_wakes_who_waits_for_it():
    async def main():
        desk: Any = Desk()
        live = await desk.open(limit(USD, 100))
        await reserve(desk, live, "h", {USD: 100})
        waiting = asyncio.create_task(reserve(desk, live, "a", {USD: 50}, wait_s=60))
        await turns()
        seq = desk.seq
        record = desk.journal.record_as_told(Kind.BUDGET_CHANGED, live.who, {"by": "root"})
        _, durable = desk.budgets.set_limit(key(live), 150, record)
        await durable
        assert isinstance(await asyncio.wait_for(waiting, 5), Reserved)
        assert desk.since(seq, live.who)[0] == {"kind": "budget.changed", "body": {"by": "root"}}
        [stored] = await desk.store.accounts()
        assert stored.limit == 150

    asyncio.run(main())


@pytest.mark.parametrize(
    ("amount", "counted"), [(5, 5), (30, 30), (49, 49), (50, 50), (51, 50), (900, 50)]
)
def test_time_that_is_known_only_afterwards_never_goes_beyond_its_account(amount, counted):
    async def main():
        desk: Any = Desk()
        live = await desk.open(limit(SECONDS, 100))
        await reserve(desk, live, "other", {SECONDS: 50})
        await reserve(desk, live, "h", {SECONDS: 30})
        affordable = desk.budgets.affordable
        assert affordable("h", SECONDS, amount) == counted
        assert affordable("none", SECONDS, amount) == amount
        assert affordable("h", USD, amount) == amount
        desk.budgets.set_limit(
            key(live, SECONDS), 10, desk.journal.record_as_told(Kind.BUDGET_CHANGED, None, {})
        )
        assert affordable("h", SECONDS, 900) == 30

    asyncio.run(main())


def test_what_was_in_flight_when_the_server_ended_counts_as_used():
    async def main():
        desk: Any = Desk()
        live = await desk.open(limit(USD, 100), limit(Dimension.TOOL_CALLS, 9))
        await reserve(desk, live, "m", {USD: 60})
        desk.hold(live, "t", "tool", tool_calls=1)
        after = await desk.restarted()
        ledger = after.budgets.ledger
        seq = after.seq
        after.budgets.settle_orphans(ledger.open_holds(), lambda name: live.who)
        await after.journal.commit(())
        expected = [
            {
                "kind": "model_call.settled",
                "cost_nusd": 60,
                "body": {"hold_id": "m", "purpose": "model", "outcome": "unknown"},
            },
            {
                "kind": "tool_call.finished",
                "body": {"hold_id": "t", "purpose": "tool", "outcome": "unknown"},
            },
        ]
        found = [one for one in after.since(seq, live.who) if one["kind"] != "budget.alert"]
        assert [one for one in expected if one in found] == expected[: len(found)]
        assert ledger.open_holds() == []
        assert [one.settled for one in await after.store.accounts([key(live)])] == [60]

    asyncio.run(main())


def test_account_leaves_the_memory_with_its_last_user_and_is_read_again():
    async def main():
        desk: Any = Desk()
        live = await desk.open(limit(USD, 100, Scope.USER))
        account = key(live, scope=Scope.USER)
        await reserve(desk, live, "h", {USD: 10})
        await settled(desk.budgets.settle("h", {USD: 10}, live.who))
        desk.sessions.forget(live)
        assert not desk.budgets.ledger.knows(account)
        [read] = await desk.budgets.states([account, key(live, TOKENS)])
        assert (read.limit, read.settled) == (100, 10)
        assert not desk.budgets.ledger.knows(account)
        desk.store.fail_reads()
        with pytest.raises(StoreUnavailable):
            await desk.budgets.states([account])
        desk.store.fail_reads("")
        assert [one.settled for one in await desk.budgets.states([account])] == [10]
        assert not desk.budgets.ledger.knows(account)

    asyncio.run(main())


def test_spent_amount_that_did_not_become_durable_stays_in_memory():
    async def main():
        desk: Any = Desk()
        live = await desk.open(limit(USD, 100, Scope.USER))
        account = key(live, scope=Scope.USER)
        await reserve(desk, live, "h", {USD: 10})
        desk.store.fail_commits()
        with pytest.raises(StoreUnavailable):
            await settled(desk.budgets.settle("h", {USD: 10}, live.who))
        desk.sessions.forget(live)
        assert desk.budgets.ledger.account(account, 0).settled == 10

    asyncio.run(main())


def test_new_sessions_own_accounts_are_known_to_be_nowhere_and_others_are_read():
    async def main():
        desk: Any = Desk()
        live = await desk.open(limit(USD, 1), limit(USD, 2, Scope.USER))
        mine, users = key(live), key(live, scope=Scope.USER)
        desk.sessions.forget(live)
        name = live.session.session_id
        assert desk.budgets.use([mine, users], new=name) == [users]
        desk.budgets.leave([mine, users])
        assert desk.budgets.use([mine, users]) == [mine, users]
        desk.budgets.leave([mine, users])
        assert desk.budgets.use([mine, users], new=name[:-1]) == [mine, users]
        desk.budgets.leave([mine, users])

    asyncio.run(main())


def test_child_opens_accounts_of_its_own_alone():
    async def main():
        desk: Any = Desk()
        parent = await desk.open(limit(USD, 100), limit(USD, 900, Scope.USER))
        fields = {"delegated_by": parent.session.session_id}
        caps = (limit(USD, 7), limit(USD, 3, Scope.USER))
        child = msgspec.structs.replace(
            draft(*caps, **fields), principal=msgspec.structs.replace(parent.who, session="ses_c")
        )
        chain = desk.budgets.chain(child)
        async with desk.budgets.at_hand(chain):
            opened = desk.budgets.open_chain(child, desk.budgets.chain(child))
        assert [(one.key.owner, one.limit) for one in opened] == [("acme/ses_c", 7)]
        assert state(desk, key(parent, scope=Scope.USER)).limit == 900

    asyncio.run(main())
