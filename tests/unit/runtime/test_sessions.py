"""Sessions: memory is rebuilt from the store, and a kill pulls every lever it has."""

import asyncio
import gc

import msgspec
import pytest

from holdfast.core.sessions import Command
from holdfast.errors import (
    Conflict,
    CredentialExpired,
    NotFound,
    SessionStopped,
    StoreUnavailable,
    Unauthenticated,
    UpstreamUnavailable,
)
from holdfast.model.budgets import Dimension, Scope
from holdfast.model.events import Kind
from holdfast.model.sessions import SessionState
from holdfast.runtime.budgets import last_ledger
from tests.sparse import fields
from tests.unit.runtime.house import (
    SSE,
    USD,
    House,
    limit,
    result_message,
    started,
    stopped,
    text_block,
    tool_block,
)


async def busy(house, live):
    """A session with everything in it: calls, taint, vouched text, cost, turns, a failure."""
    await house.outcomes.prompt(live, "pay bob@shop.com 20 dollars")
    calls = [*tool_block("c1", "fetch", {"u": 1}), *tool_block("c2", "look", {"order": "7"}, 1)]
    house.upstream.script = [
        (200, SSE, [started(), *calls, *tool_block("c3", "rm", {}, 2), *stopped(9, "tool_use")]),
        UpstreamUnavailable("down"),
        (200, SSE, [started(message_id="msg_2"), *text_block("ok"), *stopped()]),
    ]
    async for _ in (await house.call(live)).events():
        pass
    for call_id, tool, arguments in (
        ("c1", "fetch", {"u": 1}),
        ("c2", "look", {"order": "7"}),
        ("c3", "rm", {}),
    ):
        await house.decide(live, call_id, tool, arguments, emit=False)
    await house.finish(live, "c1", output="from the web")
    with pytest.raises(UpstreamUnavailable):
        await house.call(live)
    messages = [result_message("c1"), result_message("c2", "ship to carol@shop.com")]
    async for _ in (await house.call(live, messages=messages)).events():
        pass
    await house.store.commit()


async def restarted(house):
    after = House(store=house.store.crashed(), clock=house.clock, entropy=house.entropy)
    after.budgets.ledger = await last_ledger(after.store)
    return after


def believed(vouched):
    """Everything but the moment itself, whose steps differ where a record says nothing."""
    texts = [fields(text) for text in (vouched._typed, vouched._own)]
    return [texts, vouched._records, vouched._members, vouched._brought, vouched._blind_from]


def memory_of(live):
    return {
        "session": live.session,
        "chain": live.chain,
        "calls": live.calls,
        "cost": live.cost_nusd,
        "turn": live.turn,
        "turns": live.progress.turns,
        "threads": live.threads,
        "tainted": (live.vouched.tainted, live.vouched.tainted_by),
        "vouched": believed(live.vouched),
        "history": list(live.progress._calls),
        "seen": live.progress._seen,
        "refusals": (live.progress._refusals, live.progress._in_a_row),
    }


def test_session_read_back_from_the_store_is_the_session_that_was_in_memory():
    async def main():
        house = House()
        live = await house.open(limit(USD, 10**9), limit(Dimension.TOOL_CALLS, 9))
        await busy(house, live)
        after = await restarted(house)
        again = await after.sessions.authenticate(house.token)
        assert memory_of(again) == memory_of(live)
        assert again.turn == 3
        assert again.cost_nusd == house.account(live, USD).settled

    asyncio.run(main())


def test_session_asked_for_twice_at_a_time_is_loaded_once():
    async def main():
        house = House()
        live = await house.open()
        after = await restarted(house)
        both = await asyncio.gather(
            *(after.sessions.get(live.session.session_id) for _ in range(5)),
            after.sessions.authenticate(house.token),
        )
        assert len({id(one) for one in both}) == 1

    asyncio.run(main())


def test_session_that_could_not_be_loaded_leaves_nothing_behind_and_is_loaded_later(monkeypatch):
    async def main():
        house = House()
        live = await house.open()
        after = await restarted(house)
        read = after.store.calls

        async def failing(_):
            await asyncio.sleep(0)
            raise StoreUnavailable("the disk is gone")

        monkeypatch.setattr(after.store, "calls", failing)
        name = live.session.session_id
        found = await asyncio.gather(
            *(after.sessions.get(name) for _ in range(3)), return_exceptions=True
        )
        assert [type(one) for one in found] == [StoreUnavailable] * 3
        del found
        await asyncio.sleep(0)
        gc.collect()
        assert not after.sessions._loading
        monkeypatch.setattr(after.store, "calls", read)
        assert (await after.sessions.get(name)).session.session_id == name

    asyncio.run(main())


def test_token_that_was_never_issued_and_another_tenants_session_are_not_found():
    async def main():
        house = House()
        live = await house.open()
        with pytest.raises(Unauthenticated):
            await house.sessions.authenticate("hfs_" + "a" * 52)
        for tenant in ("", "acme"):
            assert await house.sessions.get(live.session.session_id, tenant) is live
        with pytest.raises(NotFound):
            await house.sessions.get(live.session.session_id, "other")
        after = await restarted(house)
        with pytest.raises(NotFound):
            await after.sessions.get(live.session.session_id, "other")

    asyncio.run(main())


def test_session_past_its_wall_clock_is_refused_and_expires_once():
    async def main():
        house = House()
        live = await house.open(ttl_s=10)
        house.clock.advance(9.999)
        house.sessions.check_live(live)
        house.clock.advance(0.001)
        for _ in range(2):
            with pytest.raises(CredentialExpired):
                house.sessions.check_live(live)
        await house.store.commit()
        assert len(house.written(Kind.SESSION_EXPIRED)) == 1

    asyncio.run(main())


def test_paused_session_acts_only_after_resume_and_a_final_one_never():
    async def main():
        house = House()
        live = await house.open()
        await house.sessions.change(live, Command.PAUSE, "lunch")
        with pytest.raises(SessionStopped, match="lunch"):
            house.sessions.check_live(live)
        await house.sessions.change(live, Command.RESUME, "back")
        house.sessions.check_live(live)
        await house.killer.kill(live, "enough", by="op")
        with pytest.raises(Conflict):
            await house.sessions.change(live, Command.RESUME, "please")

    asyncio.run(main())


def test_session_is_continued_only_for_the_same_user_of_the_same_tenant():
    async def main():
        house = House()
        live = await house.open()
        parent = live.session.session_id
        assert await house.open(parent=parent)
        for other in ({"user": "bob"}, {"tenant": "other"}):
            with pytest.raises(NotFound):
                await house.open(parent=parent, **other)
        with pytest.raises(NotFound):
            await house.open(parent="ses_none")

    asyncio.run(main())


def test_taint_and_calls_survive_a_chain_of_continuations():
    async def main():
        house = House()
        first = await house.open(limit(USD, 10**9), limit(Dimension.TOOL_CALLS, 9))
        await busy(house, first)
        second = await house.open(parent=first.session.session_id)
        third = await house.open(parent=second.session.session_id)
        for live in (second, third):
            assert live.vouched.tainted_by == "fetch"
            assert set(live.calls) == {"c1", "c2", "c3"}
            assert live.vouched.believes("bob@shop.com")
            assert (live.cost_nusd, live.turn) == (0, 0)

    asyncio.run(main())


def test_call_of_the_parent_cannot_be_decided_or_finished_by_its_continuation():
    async def main():
        house = House()
        first = await house.open(limit(USD, 10**9))
        calls = [*tool_block("c1", "fetch", {}), *tool_block("c2", "fetch", {}, 1)]
        house.upstream.script = [(200, SSE, [started(), *calls, *stopped()])]
        async for _ in (await house.call(first)).events():
            pass
        await house.decide(first, "c2", "fetch", {}, emit=False)
        await house.store.commit()
        second = await house.open(parent=first.session.session_id)
        with pytest.raises(Exception, match="no such call"):
            await house.decide(second, "c1", "fetch", {}, emit=False)
        with pytest.raises(Conflict):
            await house.finish(second, "c2")

    asyncio.run(main())


def test_orphaned_holds_count_as_used_in_account_and_session():
    async def main():
        house = House()
        live = await house.open(limit(USD, 10**9))
        house.upstream.script = [(200, SSE, [started(), asyncio.Event()])]
        await house.call(live)
        held = house.account(live, USD).held
        assert held > 0
        after = await restarted(house)
        holds = await after.store.holds()
        after.budgets.settle_orphans(holds, lambda _: live.who)
        await after.store.commit()
        again = await after.sessions.authenticate(house.token)
        assert again.cost_nusd == held == after.account(again, USD).settled
        after.nothing_held()

    asyncio.run(main())


# --- kill -------------------------------------------------------------------------------------
def levers(receipt):
    return {lever.lever: lever.ok for lever in receipt.levers}


@pytest.mark.parametrize("fault", [OSError("no"), RuntimeError("odd"), ValueError()])
def test_lever_that_fails_is_named_and_keeps_no_other_from_being_pulled(fault):
    async def main():
        house = House()
        live = await house.open()
        house.processes.fault = fault
        receipt = await house.killer.kill(live, "stop", by="op")
        assert levers(receipt) == {
            "refuse": True,
            "streams": True,
            "journal": True,
            "processes": False,
        }
        assert receipt.state is SessionState.KILLED
        assert house.written(Kind.KILL_RECEIPT)

    asyncio.run(main())


def test_kill_with_a_failing_store_still_pulls_and_says_which_lever_failed():
    async def main():
        house = House()
        live = await house.open()
        house.store.fail_commits()
        receipt = await house.killer.kill(live, "stop", by="op")
        assert levers(receipt) == {
            "refuse": True,
            "streams": True,
            "journal": False,
            "processes": True,
        }
        with pytest.raises(SessionStopped):
            house.sessions.check_live(live)

    asyncio.run(main())


def test_kill_is_durable_before_it_is_acknowledged_and_idempotent_and_touches_no_other():
    async def main():
        house = House()
        live, other = await house.open(), await house.open(user="bob")
        house.store.hold_commits()
        killing = asyncio.create_task(house.killer.kill(live, "stop", by="op"))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not killing.done()
        assert live.session.state is SessionState.KILLED
        house.store.release_commits()
        assert not (await killing).already
        assert (await house.killer.kill(live, "again", by="op")).already
        assert len(house.written(Kind.SESSION_KILLED)) == 1
        house.sessions.check_live(other)
        assert house.processes.stopped == [live.session.session_id] * 2

    asyncio.run(main())


def test_account_owners_of_two_tenants_never_meet():
    async def main():
        house = House()
        one = await house.open(limit(USD, 100, Scope.USER))
        two = await house.open(limit(USD, 100, Scope.USER), tenant="other")
        assert one.chain != two.chain
        assert msgspec.structs.asdict(one.chain[0])["owner"] == "acme/ann"

    asyncio.run(main())
