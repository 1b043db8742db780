"""Acts on a part of the fleet: what stops, what goes on, what nobody may touch, and what is told."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
from typing import Any

import pytest

from holdfast.core.sessions import Command
from holdfast.errors import Conflict, SessionStopped, StoreUnavailable
from holdfast.model.events import Kind
from holdfast.model.sessions import SessionState
from holdfast.model.stops import Reach, StopKind
from tests.unit.runtime.alone.desk import Desk, S, draft

ACTIVE, PAUSED, KILLED = SessionState.ACTIVE, SessionState.PAUSED, SessionState.KILLED
SHOP = Reach(tenant="acme", project="shop")
ANN = Reach(tenant="acme", user="ann")


def run(main):
    asyncio.run(main())


async def next_process(desk) -> Any:
    """The next process over what the disk kept, as a server starts."""
    after = await desk.restarted()
    await after.sessions.stops.load(after.store)
    await after.stopping.finish()
    return after


def states(*lives):
    return [one.session.state for one in lives]


async def child(desk, parent, agent="aide"):
    below = draft(
        agent=agent, user=parent.who.user, delegated_by=parent.session.session_id, depth=1
    )
    live, _ = await desk.sessions.open_child(parent, below, "")
    return live


def test_pause_holds_all_within_reach_and_nobody_else():
    async def main():
        desk: Any = Desk()
        ann, anna = await desk.open(user="ann"), await desk.open(user="anna")
        theirs = await desk.open(user="ann", tenant="acme2")
        receipt = await desk.stopping.pause(ANN, "why", by="root")
        assert states(ann, anna, theirs) == [PAUSED, ACTIVE, ACTIVE]
        with pytest.raises(SessionStopped) as refused:
            desk.sessions.check_live(ann)
        assert refused.value.message == (
            "the session is paused: user ann in acme is paused by root: why"
            " (`holdfast sessions resume --tenant acme --user ann` lifts it, by an operator)"
        )
        assert refused.value.fields["stop"] == "user ann in acme"
        assert [one.session_id for one in receipt.sessions] == [ann.session.session_id]
        assert [one.lever for one in receipt.levers] == ["refuse", "journal", "stored"]
        for one in (anna, theirs):
            desk.sessions.check_live(one)

    run(main)


def test_nothing_opens_within_reach_while_a_stop_stands_not_even_a_child():
    async def main():
        desk: Any = Desk()
        parent = await desk.open(user="bob")
        for stop in (desk.stopping.pause, desk.stopping.kill):
            await stop(Reach(agent="aide"), "", by="root")
            with pytest.raises(SessionStopped, match="nothing opens here: agent aide is"):
                await desk.open(agent="aide")
            with pytest.raises(SessionStopped, match="nothing opens here"):
                await child(desk, parent)
            await desk.open(agent="aide2")
            assert parent.children == []
        await desk.stopping.resume(Reach(agent="aide"), "", by="root")
        assert states(await desk.open(agent="aide"), await child(desk, parent)) == [ACTIVE] * 2

    run(main)


def test_resume_lifts_its_own_stop_alone_and_what_is_paused_by_itself_stays():
    async def main():
        desk: Any = Desk()
        free, own, both = [await desk.open(user="ann") for _ in range(3)]
        await desk.sessions.change(own, Command.PAUSE, "mine")
        await desk.stopping.pause(SHOP, "", by="root")
        await desk.stopping.pause(ANN, "", by="root")
        await desk.sessions.change(both, Command.PAUSE, "later")
        receipt = await desk.stopping.resume(ANN, "", by="root")
        assert states(free, own, both) == [PAUSED] * 3
        assert [one.why for one in receipt.sessions] == [
            "project acme/shop is paused by root",
            "mine",
            "later",
        ]
        await desk.stopping.resume(SHOP, "", by="root")
        assert states(free, own, both) == [ACTIVE, PAUSED, PAUSED]
        await desk.sessions.change(own, Command.RESUME, "")
        assert states(own) == [ACTIVE]

    run(main)


def test_a_session_resumed_by_itself_waits_for_the_stop_that_still_holds_it():
    async def main():
        desk: Any = Desk()
        live = await desk.open(user="ann", ttl_s=100)
        desk.clock.advance(10)
        await desk.sessions.change(live, Command.PAUSE, "mine")
        await desk.stopping.pause(ANN, "", by="root")
        desk.clock.advance(50)
        await desk.sessions.change(live, Command.RESUME, "")
        assert (live.session.state, live.session.by_stop) == (PAUSED, True)
        with pytest.raises(Conflict):
            await desk.sessions.change(live, Command.RESUME, "")
        desk.clock.advance(50)
        await desk.stopping.resume(ANN, "", by="root")
        assert live.session.state is ACTIVE
        assert live.session.expires_at_ns == desk.clock.now_ns() + 90 * S
        kinds = [r["kind"] for r in desk.since(0) if r["kind"].startswith("session.")][1:]
        assert kinds == ["session.paused", "session.resumed", "session.paused", "session.resumed"]

    run(main)


def test_only_the_stop_of_exactly_this_reach_is_lifted_and_the_refusal_names_the_others():
    async def main():
        desk: Any = Desk()
        await desk.stopping.pause(SHOP, "", by="root")
        with pytest.raises(Conflict, match="no stop holds tenant acme; what holds some of it: pro"):
            await desk.stopping.resume(Reach(tenant="acme"), "", by="root")
        with pytest.raises(Conflict, match=r"^no stop holds tenant other$"):
            await desk.stopping.resume(Reach(tenant="other"), "", by="root")

    run(main)


def test_what_nobody_holds_in_memory_is_held_and_let_go_in_the_store():
    async def main():
        desk: Any = Desk()
        lives = [await desk.open(user="ann", ttl_s=100) for _ in range(3)]
        names = [one.session.session_id for one in lives]
        desk = await next_process(desk)
        desk.clock.advance(10)
        receipt = await desk.stopping.pause(ANN, "", by="root")
        assert sorted(one.session_id for one in receipt.sessions) == sorted(names)
        stored = [await desk.store.session(name) for name in names]
        assert {(one.state, one.life_left_ns) for one in stored} == {(PAUSED, 90 * S)}
        desk = await next_process(desk)
        read = await desk.sessions.get(names[0])
        with pytest.raises(SessionStopped):
            desk.sessions.check_live(read)
        desk.clock.advance(1_000)
        await desk.stopping.resume(ANN, "", by="root")
        stored = [await desk.store.session(name) for name in names]
        until = desk.clock.now_ns() + 90 * S
        assert {(one.state, one.expires_at_ns) for one in stored} == {(ACTIVE, until)}
        desk.sessions.check_live(read)

    run(main)


def test_a_pause_that_a_crash_kept_from_the_store_holds_and_costs_no_time():
    async def main():
        desk: Any = Desk()
        live = await desk.open(user="ann", ttl_s=100)
        name = live.session.session_id
        desk = await next_process(desk)
        # The stop is durable, and the process ends before it went through the store.
        stop, _ = desk.stopping._stop_of(ANN, StopKind.PAUSE, "", "root")
        await desk.journal.commit(*desk.stopping._placed(stop, already=False))
        desk = await next_process(desk)
        assert (await desk.store.session(name)).state is ACTIVE
        desk.clock.advance(1_000)
        await desk.stopping.resume(ANN, "", by="root")
        after = await desk.store.session(name)
        assert (after.state, after.expires_at_ns) == (ACTIVE, desk.clock.now_ns() + 100 * S)

    run(main)


def test_kill_ends_all_within_reach_with_a_receipt_each_and_stands():
    async def main():
        desk: Any = Desk()
        parent = await desk.open(user="ann")
        below = await child(desk, parent)
        alone, other = await desk.open(user="ann"), await desk.open(user="bob")
        parent.streams["a"] = lambda _: None
        receipt = await desk.stopping.kill(ANN, "bad", by="root")
        assert states(parent, below, alone, other) == [KILLED, KILLED, KILLED, ACTIVE]
        assert [one.session_id for one in receipt.kills] == [
            parent.session.session_id,
            alone.session.session_id,
        ]
        assert [c.session_id for c in receipt.kills[0].children] == [below.session.session_id]
        assert len(receipt.sessions) == 3
        assert all(one.ok and one.state is KILLED for one in receipt.sessions)
        told = [r for r in desk.store.journal if r.kind is Kind.KILL_RECEIPT]
        assert {r.body["stop"] for r in told} == {receipt.stop.stop_id}
        assert desk.processes.stopped.count(below.session.session_id) == 1
        assert desk.sessions.stops.all()[0].kind is StopKind.KILL

    run(main)


def test_a_kill_of_an_agent_ends_what_it_started_and_leaves_who_started_it():
    async def main():
        desk: Any = Desk()
        top = await desk.open(user="ann", agent="boss")
        one, other = await child(desk, top, "aide"), await child(desk, top, "clerk")
        await desk.stopping.kill(Reach(agent="aide"), "", by="root")
        assert states(top, one, other) == [ACTIVE, KILLED, ACTIVE]

    run(main)


def test_a_kill_that_a_crash_broke_off_is_finished_by_the_next_process():
    async def main():
        desk: Any = Desk()
        ann, bob = await desk.open(user="ann"), await desk.open(user="bob")
        stop, _ = desk.stopping._stop_of(ANN, StopKind.KILL, "bad", "root")
        await desk.journal.commit(*desk.stopping._placed(stop, already=False))
        desk = await next_process(desk)
        found = [await desk.store.session(one.session.session_id) for one in (ann, bob)]
        assert [one.state for one in found] == [KILLED, ACTIVE]
        assert found[0].state_reason == "user ann in acme is killed by root: bad"

    run(main)


def test_who_was_opened_after_a_kill_was_lifted_outlives_the_rest_of_that_kill():
    async def main():
        desk: Any = Desk()
        await desk.open(user="ann")
        stop, _ = desk.stopping._stop_of(ANN, StopKind.KILL, "", "root")
        desk.stopping._placed(stop, already=False)
        await desk.stopping.resume(ANN, "", by="root")
        desk.clock.advance(1)
        later = await desk.open(user="ann")
        await desk.stopping._kill_stored(stop, desk_act(stop))
        assert later.session.state is ACTIVE

    def desk_act(stop):
        from holdfast.runtime.stopping import _Act

        return _Act(stop)

    run(main)


def test_the_same_act_twice_is_one_stop_and_a_kill_takes_the_place_of_a_pause():
    async def main():
        desk: Any = Desk()
        live = await desk.open(user="ann")
        first = await desk.stopping.pause(ANN, "one", by="root")
        again = await desk.stopping.pause(ANN, "two", by="eve")
        assert (first.already, again.already) == (False, True)
        assert again.stop.reason == "one"
        killed = await desk.stopping.kill(ANN, "three", by="root")
        assert (killed.already, states(live)) == (False, [KILLED])
        assert (await desk.stopping.kill(ANN, "four", by="root")).already
        assert (await desk.stopping.pause(ANN, "five", by="root")).stop.kind is StopKind.KILL
        assert await desk.store.stops() == list(desk.sessions.stops.all())
        assert len(await desk.stopping.standing()) == 1

    run(main)


def test_what_stands_is_listed_with_how_many_wait_for_it():
    async def main():
        desk: Any = Desk()
        for user in ("ann", "ann", "bob"):
            await desk.open(user=user)
        await desk.open(user="ann", tenant="other")
        reach = await desk.stopping.reach(SHOP)
        assert (reach.sessions, reach.users, reach.agents) == (3, 2, 1)
        await desk.stopping.pause(SHOP, "a", by="root")
        desk.clock.advance(1)
        await desk.stopping.pause(ANN, "b", by="eve")
        shop, ann = await desk.stopping.standing()
        assert (shop.what, shop.by, shop.reason, shop.sessions) == (
            "project acme/shop",
            "root",
            "a",
            3,
        )
        assert (ann.what, ann.sessions, ann.lifts) == (
            "user ann in acme",
            2,
            "holdfast sessions resume --tenant acme --user ann",
        )

    run(main)


def test_every_act_is_journalled_as_one_and_for_each_session():
    async def main():
        desk: Any = Desk()
        live = await desk.open(user="ann")
        seq = desk.seq
        receipt = await desk.stopping.pause(ANN, "why", by="root")
        await desk.stopping.resume(ANN, "done", by="eve")
        told = [r for r in desk.store.journal if r.seq > seq]
        stop = receipt.stop.stop_id
        assert [
            (r.kind, r.body.get("by"), r.body.get("stop", r.body.get("stop_id"))) for r in told
        ] == [
            (Kind.STOP_PLACED, "root", stop),
            (Kind.SESSION_PAUSED, "root", stop),
            (Kind.STOP_RECEIPT, "root", stop),
            (Kind.STOP_LIFTED, "eve", stop),
            (Kind.SESSION_RESUMED, "eve", stop),
            (Kind.STOP_RECEIPT, "eve", stop),
        ]
        assert {(r.tenant, r.user) for r in told} == {("acme", "ann")}
        paused = told[1]
        assert (paused.session, paused.body["until_ns"] > 0) == (live.session.session_id, True)

    run(main)


def test_children_of_a_parent_that_waited_get_their_time_back_once():
    async def main():
        desk: Any = Desk()
        boss, aide = Reach(agent="boss"), Reach(agent="aide")
        top = await desk.open(user="ann", agent="boss", ttl_s=1_000)
        below = await child(desk, top)
        before_ns = below.session.expires_at_ns - desk.clock.now_ns()
        for first, then in ((boss, Reach()), (Reach(), boss), (aide, boss), (aide, Reach())):
            await desk.stopping.pause(first, "", by="root")
            desk.clock.advance(30 if first is not boss else 0)
            await desk.stopping.pause(then, "", by="root")
            desk.clock.advance(30)
            await desk.stopping.resume(first, "", by="root")
            desk.clock.advance(30)
            await desk.stopping.resume(then, "", by="root")
            assert states(top, below) == [ACTIVE, ACTIVE]
            assert below.session.expires_at_ns - desk.clock.now_ns() == before_ns

    run(main)


def test_a_store_that_fails_refuses_all_the_same():
    async def main():
        desk: Any = Desk()
        live = await desk.open(user="ann")
        desk.store.fail_commits()
        with pytest.raises(StoreUnavailable):
            await desk.stopping.pause(ANN, "", by="root")
        with pytest.raises(SessionStopped):
            desk.sessions.check_live(live)

    run(main)
