"""The queue alone: each verb by what it leaves of the run, the journal and the session."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
import time
from typing import Any

import msgspec
import pytest

from holdfast.core.runs import By, Shares
from holdfast.core.sessions import Command
from holdfast.errors import LeaseLost, StoreUnavailable, Unauthenticated
from holdfast.model.events import Kind
from holdfast.model.runs import RunState
from holdfast.model.sessions import SessionState
from holdfast.ports.store import RunFilter
from holdfast.runtime import dispatch as module
from holdfast.runtime.dispatch import WAITING_LIFE_NS
from tests import skipped_time
from tests.unit.runtime.alone.desk import S
from tests.unit.runtime.alone.office import Office


def test_claimed_run_is_its_workers_for_a_lease_and_the_journal_says_whose():
    async def main():
        office: Any = Office(lease_s=4)
        queued = await office.submit(ttl_s=60)
        office.clock.advance(7)
        seq, now = office.seq, office.clock.now_ns()
        claimed = await office.claim("w1", process="boot/1/2/3")
        assert claimed.run == msgspec.structs.replace(
            queued,
            state=RunState.RUNNING,
            epoch=1,
            worker="w1",
            worker_process="boot/1/2/3",
            lease_until_ns=now + 4 * S,
            activations=1,
            failures=1,
            changed_at_ns=now,
        )
        live = await office.sessions.authenticate(claimed.token)
        assert live.session.expires_at_ns == now + 60 * S
        assert await office.store.run(queued.run_id) == claimed.run
        assert await office.store.session(queued.session) == live.session
        body = {"run_id": queued.run_id, "epoch": 1, "worker": "w1"}
        assert office.since(seq, live.who) == [{"kind": "run.claimed", "body": body}]
        for one in (
            office.dispatch.find(queued.run_id),
            office.dispatch.of_session(queued.session),
        ):
            assert one == claimed.run
        assert office.dispatch.held(live, 1) == claimed.run
        for epoch in (0, 2):
            with pytest.raises(LeaseLost) as lost:
                office.dispatch.held(live, epoch)
            assert lost.value.fields == {"epoch": epoch}
        assert await office.dispatch.claim("w2") is None

    asyncio.run(main())


def test_who_is_asked_for_some_agents_gets_runs_of_those_alone():
    async def main():
        office: Any = Office()
        await office.submit("one", agent="clerk")
        await office.submit("two", agent="aide")
        assert (await office.claim(agents=("aide", "cook"))).run.prompt == "two"
        assert await office.dispatch.claim("w", agents=("aide", "cook")) is None
        assert (await office.claim()).run.prompt == "one"

    asyncio.run(main())


def test_tenant_that_was_served_last_goes_last_and_shares_hold():
    async def main():
        office: Any = Office(shares=Shares(tenant=2))
        for tenant in ("a", "a", "a", "b"):
            office.clock.advance(1)
            await office.submit(tenant=tenant)
        given = [(await office.claim()).run.tenant for _ in range(3)]
        assert given == ["a", "b", "a"]
        assert await office.dispatch.claim("w") is None

    asyncio.run(main())


def test_runs_of_equal_tenants_are_handed_out_in_turn():
    async def main():
        office: Any = Office()
        order = []
        for tenant in ("a", "b"):
            for _ in range(3):
                await office.submit(tenant=tenant)
        for _ in range(6):
            claimed = await office.claim()
            order.append(claimed.run.tenant)
            live = await office.sessions.get(claimed.run.session)
            await office.dispatch.leave(live, claimed.run, RunState.DONE, "")
        assert order == ["a", "b"] * 3

    asyncio.run(main())


def test_claim_waits_for_a_run_and_says_how_long_it_did():
    async def main():
        office: Any = Office()
        waiting = asyncio.create_task(office.dispatch.claim("w", wait_s=60))
        await asyncio.sleep(0.03)
        await office.submit()
        claimed = await waiting
        assert 0.02 < claimed.waited_s < 5
        assert len(office.dispatch._claimants) == 0
        began = asyncio.get_running_loop().time()
        assert await office.dispatch.claim("w", wait_s=0.02) is None
        assert 0.02 <= asyncio.get_running_loop().time() - began < 5
        assert len(office.dispatch._claimants) == 0

    asyncio.run(main())


def test_claims_are_served_as_they_came_each_among_those_for_the_same_agents():
    async def main():
        office: Any = Office()

        def claim(worker, agents=("clerk",)):
            return asyncio.create_task(office.dispatch.claim(worker, wait_s=60, agents=agents))

        tasks = [claim("w1"), claim("none", ("nobody",)), claim("w2")]
        await asyncio.sleep(0)
        runs = [await office.submit() for _ in range(2)]
        claimed = await asyncio.gather(tasks[0], tasks[2])
        assert [(one.run.run_id, one.run.worker) for one in claimed] == [
            (runs[0].run_id, "w1"),
            (runs[1].run_id, "w2"),
        ]
        assert not tasks[1].done()
        office.dispatch.close()
        assert await tasks[1] is None

    asyncio.run(main())


def meanwhile(office, act):
    """Do it in the moment that a run is handed out, before whoever claimed it can go on."""
    put = office.dispatch.put

    def put_and_act(queued):
        put(queued)
        taken = office.dispatch.find(queued.run_id)
        assert taken.state is RunState.RUNNING
        act(taken)

    office.dispatch.put = put_and_act


def test_run_of_a_claim_that_is_given_up_in_that_very_moment_is_the_next_ones():
    async def main():
        office: Any = Office()
        leaving, next_one = (
            asyncio.create_task(office.dispatch.claim(worker, wait_s=60)) for worker in "ab"
        )
        await asyncio.sleep(0)
        meanwhile(office, lambda _: leaving.cancel())
        run = await office.submit()
        claimed = await next_one
        assert leaving.cancelled()
        assert (claimed.run.run_id, claimed.run.worker) == (run.run_id, "b")
        # Nothing of the first was written, and no worker counts as lost.
        assert (claimed.run.epoch, claimed.run.activations, claimed.run.failures) == (1, 1, 1)

    asyncio.run(main())


@pytest.mark.parametrize("given_up", [True, False])
def test_run_that_is_over_in_the_moment_that_it_is_claimed_is_nobodys(given_up):
    async def main():
        office: Any = Office()
        claiming = asyncio.create_task(office.dispatch.claim("w", wait_s=0.05))
        await asyncio.sleep(0)

        def end(run):
            live = office.sessions.loaded(run.session)
            office.dispatch.leave(live, run, RunState.CANCELLED, "", by=By.DISPATCH)
            if given_up:
                claiming.cancel()

        meanwhile(office, end)
        run = await office.submit()
        [got] = await asyncio.gather(claiming, return_exceptions=True)
        assert isinstance(got, asyncio.CancelledError) if given_up else got is None
        assert office.dispatch.find(run.run_id) is None
        await office.journal.commit(())
        assert (await office.store.run(run.run_id)).state is RunState.CANCELLED

    skipped_time.run(main)


def test_run_that_goes_to_another_worker_in_that_very_moment_is_handed_out_once():
    async def main():
        office: Any = Office()
        one, two = (
            asyncio.create_task(office.dispatch.claim(worker, wait_s=0.2)) for worker in "ab"
        )
        await asyncio.sleep(0)

        def lose(run):
            live = office.sessions.loaded(run.session)
            office.dispatch.leave(live, run, RunState.QUEUED, "lost", by=By.DISPATCH)

        meanwhile(office, lose)
        await office.submit()
        claimed = await two
        assert (claimed.run.epoch, claimed.run.worker) == (2, "b")
        assert await one is None

    skipped_time.run(main)


def test_lease_is_counted_from_when_the_run_was_taken():
    async def main():
        office: Any = Office()
        loop, taken_s = asyncio.get_running_loop(), list[float]()
        came_s = loop.time()
        claiming = asyncio.create_task(office.dispatch.claim("w", wait_s=60))
        await asyncio.sleep(0)

        def hold_up(_):
            taken_s.append(loop.time())
            time.sleep(0.05)

        meanwhile(office, hold_up)
        await office.submit()
        assert (await claiming).waited_s <= taken_s[0] - came_s

    asyncio.run(main())


def test_closed_queue_hands_out_nothing_and_lets_those_who_wait_go():
    async def main():
        office: Any = Office()
        waiting = [asyncio.create_task(office.dispatch.claim("w", wait_s=60)) for _ in range(2)]
        await asyncio.sleep(0)
        office.dispatch.close()
        assert await asyncio.wait_for(asyncio.gather(*waiting), 5) == [None, None]
        await office.submit()
        assert await office.dispatch.claim("w", wait_s=60) is None

    asyncio.run(main())


def test_heartbeat_renews_leases_of_the_very_worker_and_epoch_and_names_what_is_lost():
    async def main():
        office: Any = Office(lease_s=4)
        run, live = await office.at_work("w1")
        office.clock.advance(3)
        beat = office.dispatch.heartbeat
        assert beat("w2", [(run.run_id, 1)]) == [run.run_id]
        assert beat("w1", [(run.run_id, 2)]) == [run.run_id]
        assert beat("w1", [("run_none", 1)]) == ["run_none"]
        assert office.dispatch.find(run.run_id).lease_until_ns == run.lease_until_ns
        assert beat("w1", [("run_none", 1), (run.run_id, 1)]) == ["run_none"]
        until = office.clock.now_ns() + 4 * S
        assert office.dispatch.find(run.run_id) == msgspec.structs.replace(
            run, lease_until_ns=until
        )
        await office.sessions.change(live, Command.PAUSE, "")
        office.clock.advance(1)
        assert beat("w1", [(run.run_id, 1)]) == [run.run_id]
        assert office.dispatch.find(run.run_id).lease_until_ns == until + S

    asyncio.run(main())


def test_lease_that_ran_out_at_its_moment_puts_the_run_back_and_says_so():
    async def main():
        office: Any = Office(lease_s=4)
        run, live = await office.at_work()
        office.clock.advance(4 - 1e-9)
        office.dispatch.tick()
        assert office.dispatch.find(run.run_id) == run
        office.clock.advance(1e-9)
        seq = office.seq
        office.dispatch.tick()
        await office.journal.commit(())
        lost = msgspec.structs.replace(
            run,
            state=RunState.QUEUED,
            reason="its worker was lost",
            worker="",
            worker_process="",
            lease_until_ns=0,
            changed_at_ns=office.clock.now_ns(),
        )
        assert office.dispatch.find(run.run_id) == lost
        assert await office.store.run(run.run_id) == lost
        body = {"run_id": run.run_id, "reason": "its worker was lost"}
        assert office.since(seq, live.who) == [{"kind": "run.resumed", "body": body}]
        again = await office.claim("w2")
        assert (again.run.epoch, again.run.failures, again.run.reason) == (2, 2, "")

    asyncio.run(main())


@pytest.mark.parametrize(
    ("state", "kind", "session", "told"),
    [
        (RunState.DONE, "run.done", SessionState.ENDED, {"result": {"n": 1}}),
        (RunState.FAILED, "run.failed", SessionState.STOPPED, {}),
        (RunState.CANCELLED, "run.cancelled", SessionState.STOPPED, {}),
        (RunState.DELAYED, "run.retrying", SessionState.ACTIVE, {"not_before_ns": 5 * S}),
        (RunState.PARKED, "run.parked", SessionState.ACTIVE, {}),
        (RunState.DEAD, "run.dead", SessionState.ACTIVE, {}),
    ],
)
def test_end_of_an_activation_is_one_commit_of_run_session_and_record(state, kind, session, told):
    async def main():
        office: Any = Office()
        run, live = await office.at_work(ttl_s=60)
        office.clock.advance(20)
        seq, now, token = office.seq, office.clock.now_ns(), live.session.token_digest
        extra = office.journal.record_as_told(Kind.LOOP_ALERT, live.who, {})
        reason = "because" + "x" * 3_000
        by = By.PERSON if state is RunState.CANCELLED else By.WORKER
        await office.dispatch.leave(
            live, run, state, reason, by=by, delay_s=5, result={"n": 1}, records=[extra]
        )
        over = state in (RunState.DONE, RunState.FAILED, RunState.CANCELLED)
        left = msgspec.structs.replace(
            run,
            state=state,
            reason=reason[:500],
            worker="",
            worker_process="",
            lease_until_ns=0,
            failures=0,
            changed_at_ns=now,
            not_before_ns=now + 5 * S if state is RunState.DELAYED else 0,
            result={"n": 1} if state is RunState.DONE else None,
            life_left_ns=0 if over else 40 * S,
        )
        assert await office.store.run(run.run_id) == left
        stored = await office.store.session(run.session)
        assert stored == live.session
        assert stored.state is session
        if not over:
            # Nobody's token opens anything while it waits.
            assert stored.expires_at_ns == now + WAITING_LIFE_NS
            assert stored.token_digest != token
        extra_fields = {k: v + now if k == "not_before_ns" else v for k, v in told.items()}
        body = {"run_id": run.run_id, "reason": reason[:2000]} | extra_fields
        found = [r for r in office.since(seq, live.who) if not r["kind"].startswith("session.")]
        assert found == [{"kind": "loop.alert"}, {"kind": kind, "body": body}]
        waits = state is RunState.DELAYED
        assert office.dispatch.find(run.run_id) == (left if waits else None)
        assert office.dispatch.of_session(run.session) == (left if waits else None)

    asyncio.run(main())


def test_run_that_is_done_says_done_of_its_session_where_no_reason_was_given():
    async def main():
        office: Any = Office()
        run, live = await office.at_work()
        await office.dispatch.leave(live, run, RunState.DONE, "")
        assert live.session.state_reason == "done"

    asyncio.run(main())


def test_run_whose_session_is_over_already_leaves_it_as_it_is():
    async def main():
        office: Any = Office()
        run, live = await office.at_work()
        await office.sessions.change(live, Command.KILL, "bad")
        await office.dispatch.leave(live, run, RunState.CANCELLED, "so", by=By.PERSON)
        assert (live.session.state, live.session.state_reason) == (SessionState.KILLED, "bad")
        assert (await office.store.run(run.run_id)).state is RunState.CANCELLED

    asyncio.run(main())


def test_wall_clock_that_ran_out_leaves_no_life():
    async def main():
        office: Any = Office()
        run, live = await office.at_work(ttl_s=10)
        office.clock.advance(30)
        await office.dispatch.leave(live, run, RunState.PARKED, "")
        assert (await office.store.run(run.run_id)).life_left_ns == 0

    asyncio.run(main())


def test_delayed_run_is_due_at_its_moment_and_wakes_who_waits():
    async def main():
        office: Any = Office()
        run, live = await office.at_work()
        await office.dispatch.leave(live, run, RunState.DELAYED, "", delay_s=5)
        office.clock.advance(5 - 1e-9)
        assert await office.dispatch.claim("w") is None
        waiting = asyncio.create_task(office.dispatch.claim("w", wait_s=60))
        await asyncio.sleep(0)
        office.dispatch.tick()
        await asyncio.sleep(0)
        assert not waiting.done()
        office.clock.advance(1e-9)
        office.dispatch.tick()
        claimed = await asyncio.wait_for(waiting, 0.5)
        assert (claimed.run.epoch, claimed.run.not_before_ns) == (2, 0)

    asyncio.run(main())


@pytest.mark.parametrize("claimed", [True, False])
@pytest.mark.parametrize(
    ("command", "state"),
    [
        (Command.STOP, RunState.FAILED),
        (Command.EXPIRE, RunState.FAILED),
        (Command.KILL, RunState.CANCELLED),
        (Command.END, RunState.CANCELLED),
        (Command.PAUSE, None),
    ],
)
def test_end_of_its_session_ends_a_run_and_says_why(command, state, claimed):
    async def main():
        office: Any = Office()
        run = await office.submit()
        if claimed:
            await office.claim()
        live = await office.sessions.get(run.session)
        await office.sessions.change(live, command, "so")
        seq = office.seq
        office.dispatch.tick()
        await office.journal.commit(())
        found = await office.store.run(run.run_id)
        if state is None:
            assert found.state is (RunState.RUNNING if claimed else RunState.QUEUED)
            return
        why = f"the session is {live.session.state}: so"
        assert (found.state, found.reason) == (state, why)
        body = {"run_id": run.run_id, "reason": why}
        assert office.since(seq, live.who) == [{"kind": f"run.{state}", "body": body}]
        office.dispatch.tick()
        await office.journal.commit(())
        assert len(office.since(seq)) == 1

    asyncio.run(main())


@pytest.mark.parametrize(
    ("failures", "dead"),
    [(1, False), (2, False), (3, True)],
)
def test_run_that_lost_so_many_workers_in_a_row_is_dead(failures, dead):
    async def main():
        office: Any = Office(max_activations=2)
        run, live = await office.at_work()
        await office.dispatch.leave(live, run, RunState.PARKED, "")
        parked = await office.store.run(run.run_id)
        await office.dispatch.enqueue(msgspec.structs.replace(parked, failures=failures - 1))
        claimed = await office.dispatch.claim("w")
        assert (claimed is None) == dead
        if dead:
            found = await office.store.run(run.run_id)
            assert found.state is RunState.DEAD
            lost = "worker_lost: 2 activations in a row ended without progress"
            assert found.reason == lost

    asyncio.run(main())


@pytest.mark.parametrize(("after_s", "begun"), [(9.999, True), (10, False), (11, False)])
def test_run_is_not_begun_from_its_deadline_on(after_s, begun):
    async def main():
        office: Any = Office()
        run = await office.submit(order={"deadline_s": 10})
        office.clock.advance(after_s)
        claimed = await office.dispatch.claim("w")
        assert (claimed is not None) == begun
        if not begun:
            found = await office.store.run(run.run_id)
            assert (found.state, found.reason) == (
                RunState.FAILED,
                "deadline_exceeded: the run's deadline passed",
            )

    asyncio.run(main())


def test_claim_passes_runs_that_cannot_go_on_and_hands_out_the_next():
    async def main():
        office: Any = Office()
        states = {}
        for command in (Command.PAUSE, Command.STOP, None):
            office.clock.advance(1)
            run = await office.submit()
            states[run.run_id] = command
            if command is not None:
                live = await office.sessions.get(run.session)
                await office.sessions.change(live, command, "so")
        claimed = await office.claim()
        assert states[claimed.run.run_id] is None
        found = {await_run.run_id: await_run for await_run in await office.store.runs(FILTER)}
        assert [(found[name].state, found[name].reason) for name in states][:2] == [
            (RunState.PARKED, "the session is paused"),
            (RunState.FAILED, "the session is stopped: so"),
        ]

    asyncio.run(main())


FILTER = RunFilter(limit=100)


def test_run_whose_session_is_gone_is_passed_and_not_kept():
    async def main():
        office: Any = Office()
        run = await office.submit()
        office.sessions.forget(office.sessions.loaded(run.session))
        del office.store._durable.sessions[run.session]
        assert await office.dispatch.claim("w") is None
        assert office.dispatch.find(run.run_id) is None
        assert office.dispatch.of_session(run.session) is None

    asyncio.run(main())


def test_progress_forgives_what_failed_before_and_is_kept():
    async def main():
        office: Any = Office()
        run, _ = await office.at_work()
        assert office.dispatch.got_on("ses_none") == []
        [kept] = office.dispatch.got_on(run.session)
        assert kept == msgspec.structs.replace(run, failures=0)
        assert office.dispatch.find(run.run_id) == kept
        assert office.dispatch.got_on(run.session) == []
        assert office.dispatch.progressed(kept) == kept
        fuller = msgspec.structs.replace(kept, context_percent=9)
        assert office.dispatch.progressed(fuller) == fuller
        assert office.dispatch.find(run.run_id) == fuller

    asyncio.run(main())


def test_run_that_waits_got_on_with_nothing():
    async def main():
        office: Any = Office()
        run, live = await office.at_work()
        await office.dispatch.leave(live, run, RunState.PARKED, "")
        parked = await office.store.run(run.run_id)
        await office.dispatch.enqueue(msgspec.structs.replace(parked, failures=2))
        assert office.dispatch.got_on(run.session) == []

    asyncio.run(main())


def test_run_that_comes_back_is_told_with_its_reason_or_with_the_records_given():
    async def main():
        office: Any = Office()
        run, live = await office.at_work()
        await office.dispatch.leave(live, run, RunState.PARKED, "wait")
        parked = await office.store.run(run.run_id)
        seq = office.seq
        await office.dispatch.enqueue(parked, reason="go on")
        queued = await office.store.run(run.run_id)
        assert (queued.state, queued.reason) == (RunState.QUEUED, "go on")
        body = {"run_id": run.run_id, "reason": "go on"}
        assert office.since(seq, live.who) == [{"kind": "run.resumed", "body": body}]
        seq = office.seq
        given = office.journal.record_as_told(Kind.RUN_NOTED, live.who, {})
        await office.dispatch.enqueue(parked, [given])
        assert office.since(seq, live.who) == [{"kind": "run.noted"}]
        office.sessions.forget(live)
        seq = office.seq
        await office.dispatch.enqueue(parked)
        assert office.since(seq) == []

    asyncio.run(main())


@pytest.mark.parametrize(
    "busy",
    ["", "streams", "deciding", "children"],
)
def test_session_of_a_run_that_waits_for_a_person_rests_a_while_and_leaves_unless_it_is_busy(busy):
    async def main():
        office: Any = Office(rest_s=60)
        run, live = await office.at_work()
        if busy == "streams":
            live.streams["h"] = lambda why: None
        elif busy == "deciding":
            live.deciding.add("c1")
        elif busy == "children":
            live.children.append("ses_c")
        await office.dispatch.leave(live, run, RunState.PARKED, "")
        office.clock.advance(60 - 1e-9)
        office.dispatch.tick()
        assert office.sessions.loaded(run.session) is live
        office.clock.advance(1e-9)
        office.dispatch.tick()
        assert office.sessions.loaded(run.session) is (live if busy else None)
        assert not office.dispatch._resting

    asyncio.run(main())


def test_session_whose_run_went_on_meanwhile_stays():
    async def main():
        office: Any = Office(rest_s=60)
        run, live = await office.at_work()
        await office.dispatch.leave(live, run, RunState.PARKED, "")
        await office.dispatch.enqueue(await office.store.run(run.run_id))
        office.clock.advance(60)
        office.dispatch.tick()
        assert office.sessions.loaded(run.session) is live

    asyncio.run(main())


def test_session_that_was_read_anew_meanwhile_stays():
    async def main():
        office: Any = Office(rest_s=60)
        run, live = await office.at_work()
        await office.dispatch.leave(live, run, RunState.PARKED, "")
        office.sessions.forget(live)
        again = await office.sessions.get(run.session)
        office.clock.advance(60)
        office.dispatch.tick()
        assert office.sessions.loaded(run.session) is again

    asyncio.run(main())


@pytest.mark.parametrize("alive", [True, False, None])
def test_next_server_waits_for_workers_that_may_live_and_not_for_dead_ones(alive, monkeypatch):
    monkeypatch.setattr(module, "lives", lambda process: alive)

    async def main():
        office: Any = Office(lease_s=4)
        waiting = await office.submit("later")
        run, _ = await office.at_work("w1", order={"priority": 1})
        parked, live = await office.at_work("w1", order={"priority": 1})
        await office.dispatch.leave(live, parked, RunState.PARKED, "")
        office.clock.advance(100)
        after = await office.crashed()
        queued = after.dispatch.find(waiting.run_id)
        assert queued == msgspec.structs.replace(waiting, lease_until_ns=0)
        assert after.dispatch.find(parked.run_id) is None
        found = after.dispatch.find(run.run_id)
        if alive is False:
            assert (found.state, found.reason, found.worker) == (
                RunState.QUEUED,
                "its worker was lost",
                "",
            )
        else:
            until = after.clock.now_ns() + 4 * S
            assert found == msgspec.structs.replace(run, lease_until_ns=until)

    asyncio.run(main())


def test_claim_that_did_not_become_durable_is_an_error_and_the_old_token_is_dead():
    async def main():
        office: Any = Office()
        await office.submit()
        office.store.fail_commits()
        with pytest.raises(StoreUnavailable):
            await office.dispatch.claim("w")

    asyncio.run(main())


def test_token_of_one_activation_opens_nothing_in_the_next():
    async def main():
        office: Any = Office()
        run, live = await office.at_work()
        await office.dispatch.leave(live, run, RunState.DELAYED, "", delay_s=0)
        first = await office.claim()
        office.clock.advance(11)
        office.dispatch.tick()
        second = await office.claim()
        with pytest.raises(Unauthenticated):
            await office.sessions.authenticate(first.token)
        assert await office.sessions.authenticate(second.token) is live

    asyncio.run(main())
