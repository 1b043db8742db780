"""The queue of runs: one worker at a time, fenced by tokens and epoch; nothing lost in a crash."""

import asyncio
import subprocess
import sys

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.run_queue import RunQueue
from holdfast.core.runs import Shares, backoff_s
from holdfast.core.sessions import Command
from holdfast.errors import (
    Conflict,
    InvalidRequest,
    LeaseLost,
    StoreUnavailable,
    Unauthenticated,
)
from holdfast.model.events import Kind
from holdfast.model.principals import Principal
from holdfast.model.runs import Run, RunPlan, RunState
from holdfast.model.sessions import LoopLimits, Session, SessionState
from holdfast.ports.store import SessionFilter
from holdfast.runtime.dispatch import Claimed
from holdfast.runtime.runs import Event, Order
from holdfast.runtime.workers import this_process
from holdfast.testing.memory_store import MemoryStore
from tests.unit.runtime.house import House

PLAN = RunPlan(model="claude-haiku-4-5")
S = 1_000_000_000


class Office:
    """A house with a queue."""

    def __init__(self, house=None, **more):
        self.house = house or House(decided=more)
        self.more = more
        self.dispatch, self.runs = self.house.dispatch, self.house.runs

    async def claim(self, worker="w", process="") -> Claimed:
        """A run that is there."""
        claimed = await self.dispatch.claim(worker, process=process)
        assert claimed is not None
        return claimed

    def draft(self, tenant="acme", ttl_s=3600):
        who = Principal(tenant=tenant, project="p", user="ann", agent="clerk", session="", task="")
        return Session(
            session_id="",
            principal=who,
            state=SessionState.ACTIVE,
            opened_at_ns=0,
            expires_at_ns=ttl_s * S,
            token_digest="",
            limits=(),
            loop=LoopLimits(),
            upstream="main",
        )

    async def submit(self, prompt="go", tenant="acme", ttl_s=3600, **order):
        return await self.runs.submit(
            self.draft(tenant, ttl_s), Order(prompt=prompt, plan=PLAN, **order)
        )

    async def live(self, run):
        return await self.house.sessions.get(run.session)

    async def crashed(self):
        """The next process, over what the disk kept."""
        store = self.house.store.crashed()
        before = self.house
        house = House(store=store, clock=before.clock, entropy=before.entropy, decided=self.more)
        office = Office(house, **self.more)
        await office.dispatch.load()
        return office


def test_a_claim_hands_out_the_run_with_a_token_that_the_one_before_has_lost():
    async def main():
        office = Office()
        run = await office.submit()
        one = await office.claim("w1")
        assert (one.run.run_id, one.run.epoch, one.run.state) == (
            run.run_id,
            1,
            RunState.RUNNING,
        )
        assert await office.dispatch.claim("w2") is None
        office.house.clock.advance(11)
        office.dispatch.tick()
        two = await office.claim("w2")
        assert two.run.epoch == 2
        with pytest.raises(Unauthenticated):
            await office.house.sessions.authenticate(one.token)
        live = await office.house.sessions.authenticate(two.token)
        with pytest.raises(LeaseLost):
            await office.runs.append(live, 1, [])
        assert office.dispatch.heartbeat("w1", [(run.run_id, 1)]) == [run.run_id]
        assert office.dispatch.heartbeat("w2", [(run.run_id, 2)]) == []

    asyncio.run(main())


def test_a_lease_that_is_renewed_is_kept():
    async def main():
        office = Office()
        run = await office.submit()
        await office.dispatch.claim("w1")
        for _ in range(5):
            office.house.clock.advance(8)
            assert office.dispatch.heartbeat("w1", [(run.run_id, 1)]) == []
            office.dispatch.tick()
        found = office.dispatch.find(run.run_id)
        assert found is not None
        assert found.state is RunState.RUNNING

    asyncio.run(main())


def test_a_run_that_loses_its_workers_without_progress_goes_to_the_dead_letters():
    async def main():
        office = Office(max_activations=3)
        run = await office.submit()
        for _ in range(3):
            assert await office.dispatch.claim("w") is not None
            office.house.clock.advance(11)
            office.dispatch.tick()
        assert await office.dispatch.claim("w") is None
        dead = await office.runs.get(run.run_id)
        assert dead.state is RunState.DEAD
        assert dead.reason.startswith("worker_lost: ")
        again = await office.runs.resume(dead, "mended")
        assert again.state is RunState.QUEUED
        assert (await office.claim()).run.run_id == run.run_id

    asyncio.run(main())


def test_progress_forgives_the_workers_that_were_lost_before():
    async def main():
        office = Office(max_activations=2)
        await office.submit()
        for turn in range(1, 6):
            claimed = await office.claim("w")
            live = await office.house.sessions.authenticate(claimed.token)
            event = Event(kind=Kind.RUN_ANSWERED, turn=turn, body={"content": []})
            await office.runs.append(live, claimed.run.epoch, [event])
            office.house.clock.advance(11)
            office.dispatch.tick()
        assert (await office.claim()).run.activations == 6

    asyncio.run(main())


def test_progress_is_not_forgotten_by_a_server_that_starts_again():
    async def main():
        office = Office(max_activations=2)
        await office.submit()
        for turn in range(1, 6):
            claimed = await office.claim("w")
            live = await office.house.sessions.authenticate(claimed.token)
            event = Event(kind=Kind.RUN_ANSWERED, turn=turn, body={"content": []})
            await office.runs.append(live, claimed.run.epoch, [event])
            office = await office.crashed()
            office.house.clock.advance(11)
            office.dispatch.tick()
        assert (await office.claim()).run.activations == 6

    asyncio.run(main())


def test_a_worker_that_leaves_its_run_for_later_was_not_lost():
    async def main():
        office = Office(max_activations=2)
        run = await office.submit()
        for _ in range(6):
            claimed = await office.claim("w")
            live = await office.live(run)
            await office.runs.leave(live, claimed.run.epoch, RunState.DELAYED, "later", delay_s=5)
            office = await office.crashed()
            office.house.clock.advance(6)
        assert (await office.claim()).run.activations == 7

    asyncio.run(main())


def test_what_a_tool_reports_is_progress_that_a_server_does_not_forget():
    async def main():
        office = Office(max_activations=2)
        draft = msgspec.structs.replace(office.draft(), allowed_tools=("fetch",))
        run = await office.runs.submit(draft, Order(prompt="go", plan=PLAN))
        for n in range(1, 6):
            await office.claim("w")
            live = await office.live(run)
            assert (await office.house.decide(live, f"c{n}", "fetch", {"n": n})).permit
            await office.house.finish(live, f"c{n}", output={"n": n})
            office = await office.crashed()
            office.house.clock.advance(11)
            office.dispatch.tick()
        assert (await office.claim()).run.activations == 6

    asyncio.run(main())


@pytest.mark.parametrize(
    ("state", "final"),
    [(RunState.DONE, SessionState.ENDED), (RunState.FAILED, SessionState.STOPPED)],
)
def test_a_run_that_is_over_ends_its_session_in_the_same_commit(state, final):
    async def main():
        office = Office()
        run = await office.submit()
        claimed = await office.claim("w")
        live = await office.house.sessions.authenticate(claimed.token)
        await office.runs.leave(live, 1, state, "so be it", result={"n": 1})
        kept = await office.house.store.run(run.run_id)
        assert kept.state is state
        assert kept.result == ({"n": 1} if state is RunState.DONE else None)
        kept_session = await office.house.store.session(run.session)
        assert kept_session.state is final
        with pytest.raises(LeaseLost):
            await office.runs.leave(live, 1, state, "again")

    asyncio.run(main())


def test_a_delayed_run_waits_its_time_and_its_wall_clock_stands_still():
    async def main():
        office = Office()
        await office.submit(ttl_s=100)
        claimed = await office.claim("w")
        live = await office.house.sessions.authenticate(claimed.token)
        office.house.clock.advance(40)
        await office.runs.leave(live, 1, RunState.DELAYED, "later", delay_s=500)
        assert await office.dispatch.claim("w") is None
        office.house.clock.advance(501)
        again = await office.claim("w")
        left = live.session.expires_at_ns - office.house.clock.now_ns()
        assert again.run.epoch == 2
        assert abs(left - 60 * S) < S

    asyncio.run(main())


def test_a_parked_run_leaves_nothing_in_memory_and_comes_back_when_told():
    async def main():
        office = Office()
        run = await office.submit()
        claimed = await office.claim("w")
        live = await office.house.sessions.authenticate(claimed.token)
        await office.runs.leave(live, 1, RunState.PARKED, "ask mia")
        assert office.dispatch.find(run.run_id) is None
        office.house.clock.advance(61)
        office.dispatch.tick()
        assert office.house.sessions.loaded(run.session) is None
        with pytest.raises(Unauthenticated):
            await office.house.sessions.authenticate(claimed.token)
        parked = await office.runs.get(run.run_id)
        await office.runs.resume(parked, "mia says yes")
        assert (await office.claim()).run.epoch == 2
        with pytest.raises(Conflict):
            await office.runs.resume(await office.runs.get(run.run_id), "twice")

    asyncio.run(main())


@pytest.mark.parametrize("where", ["queued", "running"])
def test_a_crash_loses_no_run(where):
    async def main():
        office = Office()
        runs = [await office.submit(f"n{n}") for n in range(5)]
        if where == "running":
            for _ in runs:
                await office.dispatch.claim("w")
        after = await office.crashed()
        after.house.clock.advance(11)
        after.dispatch.tick()
        taken = [(await after.claim()).run.run_id for _ in runs]
        assert sorted(taken) == sorted(run.run_id for run in runs)

    asyncio.run(main())


@pytest.mark.parametrize(
    "process", [this_process(), "", "elsewhere"], ids=["alive", "untold", "elsewhere"]
)
def test_a_server_that_starts_again_leaves_a_worker_that_may_live_its_run(process):
    async def main():
        office = Office()
        run = await office.submit()
        await office.claim("w1", process)
        for _ in range(4):
            office.house.clock.advance(8)
            assert office.dispatch.heartbeat("w1", [(run.run_id, 1)]) == []
        after = await office.crashed()
        after.dispatch.tick()
        assert await after.dispatch.claim("w2") is None
        assert after.dispatch.heartbeat("w1", [(run.run_id, 1)]) == []
        # One lease more is all that it gets for having lived once.
        after.house.clock.advance(11)
        after.dispatch.tick()
        assert (await after.claim("w2")).run.epoch == 2

    asyncio.run(main())


def test_a_server_that_starts_again_gives_out_at_once_what_a_dead_worker_had():
    ended = subprocess.run(
        [
            sys.executable,
            "-c",
            "from holdfast.runtime import workers; print(workers.this_process())",
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()

    async def main():
        office = Office()
        await office.submit()
        await office.claim("w1", ended)
        after = await office.crashed()
        assert (await after.claim("w2")).run.epoch == 2

    asyncio.run(main())


def test_how_long_a_claim_waited_is_known_so_that_its_lease_can_be_counted():
    async def main():
        office = Office()
        waiting = asyncio.create_task(office.dispatch.claim("w", wait_s=20))
        await asyncio.sleep(0)
        await asyncio.sleep(0.2)
        await office.submit()
        claimed = await waiting
        assert claimed is not None
        assert 0.2 <= claimed.waited_s < 20
        await office.submit()
        assert (await office.claim()).waited_s < 0.2

    asyncio.run(main())


@pytest.mark.parametrize(
    ("command", "state"),
    [
        (Command.KILL, RunState.CANCELLED),
        (Command.STOP, RunState.FAILED),
        (Command.EXPIRE, RunState.FAILED),
    ],
)
@pytest.mark.parametrize("claimed", [False, True])
def test_the_end_of_its_session_ends_a_run(command, state, claimed):
    async def main():
        office = Office()
        run = await office.submit()
        if claimed:
            await office.dispatch.claim("w")
        await office.house.sessions.change(await office.live(run), command, "enough")
        office.dispatch.tick()
        await office.house.journal.commit(())
        assert (await office.runs.get(run.run_id)).state is state
        assert await office.dispatch.claim("w") is None

    asyncio.run(main())


def test_a_run_whose_session_had_ended_before_it_was_read_again_ends_too():
    async def main():
        office = Office()
        run = await office.submit()
        live = await office.live(run)
        await office.house.sessions.change(live, Command.KILL, "enough")
        again = await office.crashed()
        again.dispatch.tick()
        assert again.dispatch.find(run.run_id) is not None, "nobody has read its session yet"
        await again.live(run)
        again.dispatch.tick()
        assert again.dispatch.find(run.run_id) is None

    asyncio.run(main())


def test_a_server_that_starts_again_has_every_run_however_many_pages_they_fill(monkeypatch):
    async def main():
        monkeypatch.setattr("holdfast.runtime.dispatch._PAGE", 3)
        office = Office()
        ids = {(await office.submit(f"go {n}")).run_id for n in range(6)}
        again = await office.crashed()
        assert {(await again.claim(f"w{n}")).run.run_id for n in range(6)} == ids

    asyncio.run(main())


def test_many_sessions_that_end_at_once_end_their_runs_over_some_ticks():
    async def main():
        office = Office()
        runs = [await office.submit(f"go {n}") for n in range(520)]
        for run in runs:
            await office.house.sessions.change(await office.live(run), Command.KILL, "enough")
        office.dispatch.tick()
        assert len([r for r in runs if office.dispatch.find(r.run_id)]) == 20
        office.dispatch.tick()
        assert not [r for r in runs if office.dispatch.find(r.run_id)]

    asyncio.run(main())


def test_a_worker_that_says_it_holds_what_nobody_was_given_is_told_to_stop():
    async def main():
        office = Office()
        run = await office.submit()
        assert office.dispatch.heartbeat("", [(run.run_id, run.epoch)]) == [run.run_id]

    asyncio.run(main())


def test_a_paused_session_parks_its_run_and_a_resumed_one_queues_it():
    async def main():
        office = Office()
        run = await office.submit()
        live = await office.live(run)
        await office.house.sessions.change(live, Command.PAUSE, "wait")
        assert await office.dispatch.claim("w") is None
        assert (await office.runs.get(run.run_id)).state is RunState.PARKED
        await office.house.sessions.change(live, Command.RESUME, "go")
        await office.runs.session_resumed(live)
        assert await office.dispatch.claim("w") is not None

    asyncio.run(main())


def test_a_run_past_its_deadline_fails_and_is_not_begun():
    async def main():
        office = Office()
        run = await office.submit(deadline_s=10)
        office.house.clock.advance(11)
        assert await office.dispatch.claim("w") is None
        assert (await office.runs.get(run.run_id)).reason.startswith("deadline_exceeded")

    asyncio.run(main())


def test_done_again_it_is_the_same_task_and_a_branch_knows_its_first_turns():
    async def main():
        office = Office()
        run = await office.submit("refund")
        claimed = await office.claim("w")
        live = await office.house.sessions.authenticate(claimed.token)
        for turn in (1, 2, 3):
            event = Event(kind=Kind.RUN_ANSWERED, turn=turn, body={"content": [], "n": turn})
            await office.runs.append(live, 1, [event])
        await office.runs.leave(live, 1, RunState.DONE, "")
        done = await office.runs.get(run.run_id)
        again = await office.runs.retry(done)
        assert (await office.live(again)).who.task == live.who.task
        branch = await office.runs.fork(done, 2)
        told = await office.runs.history(branch)
        assert [r.turn for r in told if r.kind is Kind.RUN_ANSWERED] == [1, 2]
        with pytest.raises(InvalidRequest):
            await office.runs.fork(done, 4)

    asyncio.run(main())


def test_a_worker_may_not_write_what_is_the_servers_own():
    async def main():
        office = Office()
        await office.submit()
        claimed = await office.claim("w")
        live = await office.house.sessions.authenticate(claimed.token)
        for kind in (Kind.RUN_DONE, Kind.SESSION_KILLED, Kind.TOOL_CALL_DECIDED):
            with pytest.raises(InvalidRequest):
                await office.runs.append(live, 1, [Event(kind=kind)])

    asyncio.run(main())


def test_whoever_waits_for_work_is_woken_by_it():
    async def main():
        office = Office()
        waiting = asyncio.create_task(office.dispatch.claim("w", wait_s=20))
        await asyncio.sleep(0)
        run = await office.submit()
        claimed = await waiting
        assert claimed is not None
        assert claimed.run.run_id == run.run_id

    asyncio.run(main())


# --- who goes next ----------------------------------------------------------------------------
def queued(n, tenant="a", project="p", priority=0, at=0):
    return Run(
        run_id=f"run_{n:04}",
        session=f"ses_{n}",
        tenant=tenant,
        project=project,
        user="u",
        agent="x",
        state=RunState.QUEUED,
        prompt="",
        plan=PLAN,
        submitted_at_ns=at or n,
        changed_at_ns=0,
        priority=priority,
    )


def queue_of(waiting, busy=(), shares=None):
    shares = shares or Shares()
    queue = RunQueue(lambda *_: shares)
    for run in waiting:
        queue.keep(run)
    for run in busy:
        queue.keep(msgspec.structs.replace(run, state=RunState.RUNNING))
    return queue


def test_priority_goes_first_then_age():
    waiting = [queued(1), queued(2, priority=5), queued(3)]
    assert queue_of(waiting).pick(0) is waiting[1]
    assert queue_of([waiting[2], waiting[0]]).pick(0) is waiting[0]


tenants = st.sampled_from("abc")


@given(st.lists(tenants, max_size=30), st.lists(tenants, max_size=12), st.integers(1, 4))
def test_nobody_gets_more_than_a_share_and_nobody_with_room_waits_behind_it(waiting, busy, share):
    queue = [queued(n, tenant) for n, tenant in enumerate(waiting)]
    at_work = [queued(1000 + n, tenant) for n, tenant in enumerate(busy)]
    found = queue_of(queue, at_work, Shares(tenant=share)).pick(0)
    free = {t for t in waiting if busy.count(t) < share}
    assert (found is None) == (not free)
    if found is not None:
        assert found.tenant in free
        assert busy.count(found.tenant) == min(busy.count(t) for t in free)


@given(st.integers(1, 200), st.integers(1, 8))
def test_a_noisy_tenant_delays_anothers_next_run_by_at_most_one(noisy, places):
    queue = queue_of([queued(n, "noisy") for n in range(noisy)] + [queued(9000, "calm")])
    at_work: list[Run] = []
    for _ in range(places + 1):
        found = queue.pick(0)
        if found is None:
            break
        queue.keep(msgspec.structs.replace(found, state=RunState.RUNNING))
        queue.serve(found.tenant)
        at_work.append(found)
        if found.tenant == "calm":
            break
    assert "calm" in {run.tenant for run in at_work}
    assert len(at_work) <= 2


@given(st.integers(1, 200), st.floats(0, 1, exclude_max=True))
def test_pauses_grow_to_their_most_and_never_beyond(attempt, roll):
    pause = backoff_s(attempt, base_s=0.5, most_s=60, roll=roll)
    assert 0 <= pause < 60
    assert pause <= 0.5 * 2 ** min(attempt - 1, 62)


def test_what_a_waiting_run_keeps_is_a_value_and_no_task():
    run = queued(1)
    assert len(msgspec.json.encode(run)) < 2000


class CrashingStore(MemoryStore):
    """Takes so many commits, and is gone then."""

    def __init__(self, takes):
        super().__init__()
        self.takes = takes
        self.commits = 0

    def commit(self, records=(), changes=()):
        self.commits += 1
        if self.commits > self.takes:
            raise StoreUnavailable("the machine went down")
        return super().commit(records, changes)


def test_a_session_and_its_run_are_submitted_in_one_commit_or_not_at_all():
    async def main():
        office = Office(House(store=CrashingStore(1)))
        run = await office.submit()
        assert office.house.store.commits == 1
        kinds = [str(record.kind) for record in office.house.store.journal]
        assert kinds == ["session.opened", "run.submitted", "prompt.submitted"]
        again = Office(House(store=office.house.store, clock=office.house.clock))
        office.house.store.takes = 100
        await again.dispatch.load()
        assert (await again.claim()).run.run_id == run.run_id, "the restart knows it"

        lost = Office(House(store=CrashingStore(0)))
        with pytest.raises(StoreUnavailable):
            await lost.submit()
        assert await lost.dispatch.claim("w") is None
        after = await lost.house.store.sessions(SessionFilter())
        assert (list(after), list(lost.house.store.journal)) == ([], [])

    asyncio.run(main())
