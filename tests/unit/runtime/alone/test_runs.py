"""Runs alone: what an order becomes, and what each verb makes of a run."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
from typing import Any

import msgspec
import pytest

from holdfast.core.sessions import Command
from holdfast.errors import (
    Conflict,
    InvalidRequest,
    LeaseLost,
    NotFound,
    SessionStopped,
    StoreUnavailable,
)
from holdfast.model.effects import EffectState
from holdfast.model.events import Kind
from holdfast.model.runs import Run, RunState
from holdfast.model.sessions import LoopLimits
from holdfast.ports.store import RunFilter
from holdfast.runtime import runs as module
from holdfast.runtime.dispatch import WAITING_LIFE_NS
from holdfast.runtime.runs import Event
from tests.unit.runtime.alone.desk import S
from tests.unit.runtime.alone.office import PLAN, Office


def test_order_becomes_a_run_with_a_session_in_one_commit():
    async def main():
        office: Any = Office()
        prompt = "pay bob@shop.com " + "x" * 30_000
        order = {"priority": 3, "deadline_s": 9, "batch": "b", "retry_of": "run_0", "fork_turn": 2}
        run = await office.submit(prompt, order=order, ttl_s=60)
        live, now = office.sessions.loaded(run.session), office.clock.now_ns()
        assert run == Run(
            run_id=run.run_id,
            session=live.session.session_id,
            tenant="acme",
            project="shop",
            user="ann",
            agent="clerk",
            state=RunState.QUEUED,
            prompt=prompt,
            plan=PLAN,
            submitted_at_ns=now,
            changed_at_ns=now,
            priority=3,
            deadline_ns=now + 9 * S,
            life_left_ns=60 * S,
            retry_of="run_0",
            fork_turn=2,
            batch="b",
        )
        assert run.run_id.startswith("run_")
        assert live.session.expires_at_ns == now + WAITING_LIFE_NS
        assert live.vouched.typed("bob@shop.com")
        assert await office.store.run(run.run_id) == run
        assert office.dispatch.find(run.run_id) == run
        opened, *told = office.since(0, live.who)
        assert opened["kind"] == "session.opened"
        assert told == [
            {
                "kind": "run.submitted",
                "body": {
                    "run_id": run.run_id,
                    "prompt": prompt,
                    "task_text": "the task",
                    "system_prompt": "be brief",
                    "retry_of": "run_0",
                    "fork_turn": 2,
                },
            },
            {"kind": "prompt.submitted", "body": {"text": prompt[:20_000]}},
        ]
        assert (await office.submit()).deadline_ns == 0

    asyncio.run(main())


def test_run_is_found_as_it_stands_in_the_queue_or_as_it_was_stored():
    async def main():
        office: Any = Office()
        run, live = await office.at_work()
        office.dispatch.heartbeat("w", [(run.run_id, 1)])
        office.clock.advance(1)
        office.dispatch.heartbeat("w", [(run.run_id, 1)])
        now = office.dispatch.find(run.run_id)
        assert await office.runs.get(run.run_id) == now
        assert await office.runs.listed(RunFilter(limit=9)) == [now]
        await office.runs.leave(live, 1, RunState.DONE, "", result=7)
        assert (await office.runs.get(run.run_id)).result == 7
        assert [one.result for one in await office.runs.listed(RunFilter(limit=9))] == [7]
        with pytest.raises(NotFound) as refused:
            await office.runs.get("r" * 99)
        assert refused.value.message == f"no run `{'r' * 64}`"

    asyncio.run(main())


def test_done_again_it_is_the_same_order_in_the_same_task():
    async def main():
        office: Any = Office()
        loop = LoopLimits(wall_clock_s=50)
        run, live = await office.at_work(loop=loop, task="t7", order={"batch": "b"})
        with pytest.raises(Conflict) as refused:
            await office.runs.retry(run)
        assert refused.value.message == "a run that is running is not done again"
        assert refused.value.fields == {"state": "running"}
        await office.runs.leave(live, 1, RunState.FAILED, "no")
        again = await office.runs.retry(await office.runs.get(run.run_id))
        assert (again.retry_of, again.batch, again.prompt, again.plan, again.fork_turn) == (
            run.run_id,
            "b",
            "go",
            PLAN,
            0,
        )
        assert again.life_left_ns == 50 * S
        other = office.sessions.loaded(again.session)
        assert other.who.task == "t7"
        assert (other.session.parent, again.session != run.session) == ("", True)

    asyncio.run(main())


def test_dead_run_that_is_done_again_is_over():
    async def main():
        office: Any = Office()
        run, live = await office.at_work()
        await office.runs.leave(live, 1, RunState.DEAD, "no")
        await office.runs.retry(await office.runs.get(run.run_id))
        found = await office.runs.get(run.run_id)
        assert (found.state, found.reason) == (RunState.CANCELLED, "done again")

    asyncio.run(main())


def test_branch_knows_the_first_turns_and_its_prompt_is_its_own_or_the_same():
    async def main():
        office: Any = Office()
        run, live = await office.at_work()
        events = [Event(kind=Kind.RUN_ANSWERED, turn=turn, body={"n": turn}) for turn in (1, 2, 3)]
        await office.runs.append(live, 1, [*events, Event(kind=Kind.RUN_NOTED, body={})])
        for turn in (0, 4):
            with pytest.raises(InvalidRequest) as refused:
                await office.runs.fork(run, turn)
            assert refused.value.message == "the run has turns 1 to 3"
            assert refused.value.fields == {"field": "turn"}
        branch = await office.runs.fork(run, 2, "go left")
        assert (branch.prompt, branch.retry_of, branch.fork_turn) == ("go left", run.run_id, 2)
        assert office.sessions.loaded(branch.session).session.parent == run.session
        told = [(str(r.kind), r.turn) for r in await office.runs.history(branch)]
        assert told == [
            ("run.submitted", 0),
            ("run.answered", 1),
            ("run.answered", 2),
            ("run.submitted", 0),
        ]
        for turn in (1, 3):
            same = await office.runs.fork(run, turn)
            assert (same.prompt, same.fork_turn) == ("go", turn)
        assert (await office.runs.history(msgspec.structs.replace(branch, fork_turn=0)))[
            0
        ].turn == 0
        # Done again it knows nothing of the turns before.
        alone = msgspec.structs.replace(branch, fork_turn=0)
        assert len(await office.runs.history(alone)) == 1

    asyncio.run(main())


@pytest.mark.parametrize("page", [1, 2, 4, 500])
def test_history_is_read_a_page_at_a_time(page, monkeypatch):
    monkeypatch.setattr(module, "PAGE", page)

    async def main():
        office: Any = Office()
        run, live = await office.at_work()
        events = [Event(kind=Kind.RUN_ANSWERED, turn=turn) for turn in (1, 2, 3)]
        await office.runs.append(live, 1, events)
        told = [r.turn for r in await office.runs.history(run) if r.kind is Kind.RUN_ANSWERED]
        assert told == [1, 2, 3]

    asyncio.run(main())


@pytest.mark.parametrize("state", list(RunState))
def test_only_what_waits_for_a_person_is_resumed_and_only_what_is_open_is_cancelled(state):
    async def main():
        office: Any = Office()
        run, live = await office.at_work()
        if state is RunState.CANCELLED:
            await office.runs.cancel(run, "")
        elif state is not RunState.RUNNING:
            await office.runs.leave(live, 1, state, "")
        run = await office.runs.get(run.run_id)
        if state in (RunState.PARKED, RunState.DEAD):
            lost = msgspec.structs.replace(run, failures=4)
            again = await office.runs.resume(lost, "go on")
            assert (again.state, again.reason, again.failures) == (RunState.QUEUED, "go on", 0)
            run = again
        else:
            with pytest.raises(Conflict) as refused:
                await office.runs.resume(run, "")
            assert refused.value.message == f"a run that is {state} waits for nobody"
            assert refused.value.fields == {"state": str(state)}
        if state in (RunState.DONE, RunState.FAILED, RunState.CANCELLED):
            with pytest.raises(Conflict) as refused:
                await office.runs.cancel(run, "")
            assert refused.value.message == f"the run is {state}"
            assert refused.value.fields == {"state": str(state)}
        else:
            found = await office.runs.cancel(run, "enough")
            assert (found.state, found.reason) == (RunState.CANCELLED, "enough")

    asyncio.run(main())


def test_parked_run_of_a_session_that_cannot_act_is_not_resumed():
    async def main():
        office: Any = Office()
        run, live = await office.at_work()
        await office.runs.leave(live, 1, RunState.PARKED, "")
        parked = await office.runs.get(run.run_id)
        await office.sessions.change(live, Command.PAUSE, "")
        with pytest.raises(Conflict) as paused:
            await office.runs.resume(parked, "")
        assert paused.value.fields == {"state": "paused"}
        assert paused.value.message.startswith("its session is paused;")
        await office.sessions.change(live, Command.STOP, "")
        with pytest.raises(Conflict) as stopped:
            await office.runs.resume(parked, "")
        assert stopped.value.message == "its session is stopped"
        assert stopped.value.fields == {"state": "stopped"}

    asyncio.run(main())


def test_resumed_session_brings_back_what_its_pause_parked_once():
    async def main():
        office: Any = Office()
        run, live = await office.at_work()
        await office.runs.session_resumed(live)
        assert office.dispatch.find(run.run_id).state is RunState.RUNNING
        await office.runs.leave(live, 1, RunState.PARKED, "")
        await office.runs.session_resumed(live)
        queued = office.dispatch.find(run.run_id)
        assert (queued.state, queued.reason) == (RunState.QUEUED, "the session was resumed")
        other = await office.open()
        await office.runs.session_resumed(other)

    asyncio.run(main())


def test_what_a_worker_says_is_written_as_it_is_and_answers_are_remembered():
    async def main():
        office: Any = Office()
        run, live = await office.at_work()
        seq = office.seq
        events = [
            Event(kind=Kind.RUN_NOTED, turn=2, call_id="c" * 300, tool="t" * 300, body={"a": 1}),
            Event(kind=Kind.RUN_TOOL_ANSWERED, call_id="c1", body={"content": "yes"}),
        ]
        records = await office.runs.append(live, 1, events)
        assert office.since(seq, live.who) == [
            {
                "kind": "run.noted",
                "turn": 2,
                "call_id": "c" * 200,
                "tool": "t" * 200,
                "body": {"a": 1},
            },
            {"kind": "run.tool_answered", "call_id": "c1", "body": {"content": "yes"}},
        ]
        assert [r.kind for r in records] == [e.kind for e in events]
        assert live.answers == {"c1": "yes"}
        assert (await office.store.run(run.run_id)).failures == 0
        with pytest.raises(LeaseLost):
            await office.runs.append(live, 2, [])
        with pytest.raises(InvalidRequest) as refused:
            await office.runs.append(live, 1, [events[0], Event(kind=Kind.RUN_DONE)])
        assert refused.value.message == "`run.done` is not for a worker to write"
        assert refused.value.fields == {"field": "kind"}
        await office.sessions.change(live, Command.PAUSE, "")
        with pytest.raises(SessionStopped):
            await office.runs.append(live, 1, events)

    asyncio.run(main())


def test_word_of_a_retry_is_no_progress():
    async def main():
        office: Any = Office()
        run, live = await office.at_work()
        await office.runs.append(live, 1, [Event(kind=Kind.RUN_RETRYING)])
        assert office.dispatch.find(run.run_id).failures == 1
        assert (await office.store.run(run.run_id)).failures == 1
        await office.runs.append(
            live, 1, [Event(kind=Kind.RUN_RETRYING), Event(kind=Kind.RUN_NOTED)]
        )
        assert office.dispatch.find(run.run_id).failures == 0

    asyncio.run(main())


def test_context_that_comes_to_be_full_is_told_once_a_run_with_its_figures():
    async def main():
        office: Any = Office()
        plan = msgspec.structs.replace(PLAN, context={"alert_percent": 70})
        run, live = await office.at_work(order={"plan": plan})
        alerts = []
        for percents in ([69], [10, 69], [90, 70], [95], [5], [99]):
            events = [
                Event(kind=Kind.RUN_ANSWERED, turn=1, body={"context_percent": p}) for p in percents
            ]
            await office.runs.append(live, 1, [*events, Event(kind=Kind.RUN_NOTED)])
            alerts.append([r["body"] for r in office.since(0) if r["kind"] == "context.alert"])
            assert office.dispatch.find(run.run_id).context_percent == percents[-1]
        told = {"run_id": run.run_id, "percent": 70, "threshold": 70}
        assert alerts == [[], [], [told], [told], [told], [told]]
        assert office.dispatch.find(run.run_id).context_alerted
        odd = Event(kind=Kind.RUN_ANSWERED, body={"context_percent": "much"})
        with pytest.raises(InvalidRequest, match=r"`context_percent` of `run\.answered`"):
            await office.runs.append(live, 1, [odd])
        assert office.dispatch.find(run.run_id).context_percent == 99

    asyncio.run(main())


def test_effects_that_nobody_knows_of_are_those_of_its_session():
    async def main():
        office: Any = Office()
        run, live = await office.at_work()
        entries = [
            office.intend(live, f"c{number}", state=state)
            for number, state in enumerate(EffectState)
        ]
        await office.journal.commit([], entries)
        unknown = await office.runs.unknown_effects(run)
        assert [entry.state for entry in unknown] == [EffectState.UNKNOWN]

    asyncio.run(main())


def test_draft_of_a_run_whose_session_is_gone_is_none():
    async def main():
        office: Any = Office()
        run = await office.submit()
        with pytest.raises(NotFound) as refused:
            await office.runs.draft_of(msgspec.structs.replace(run, session="ses_none"))
        assert refused.value.message == f"the session of `{run.run_id}` is gone"

    asyncio.run(main())


@pytest.mark.parametrize("command", list(Command))
def test_nothing_more_comes_of_the_run_of_a_session_that_is_over(command):
    async def main():
        office: Any = Office()
        live = await office.open()
        if command is Command.RESUME:
            await office.sessions.change(live, Command.PAUSE, "")
        await office.sessions.change(live, command, "")
        over = command not in (Command.PAUSE, Command.RESUME)
        assert office.runs.ended_by_session(live) == over

    asyncio.run(main())


def test_branch_whose_past_cannot_be_read_leaves_nothing_and_is_made_when_it_can():
    async def main():
        office: Any = Office()
        run, live = await office.at_work()
        await office.runs.append(live, 1, [Event(kind=Kind.RUN_ANSWERED, turn=1, body={"n": 1})])
        reads, written = office.store.calls, len(office.store.journal)

        async def failing(session_id: str) -> Any:
            office.store.calls = reads
            raise StoreUnavailable("a read failed for a moment")

        office.store.calls = failing
        with pytest.raises(StoreUnavailable):
            await office.runs.fork(run, 1)
        assert [r.run_id for r in await office.runs.listed(RunFilter())] == [run.run_id]
        assert len(office.store.journal) == written
        branch = await office.runs.fork(run, 1)
        claimed = await office.dispatch.claim("w2")
        assert claimed is not None
        assert claimed.run.run_id == branch.run_id

    asyncio.run(main())


def test_branch_sees_what_its_past_has_only_just_been_told_to_write():
    async def main():
        office: Any = Office()
        run, live = await office.at_work()
        await office.runs.append(live, 1, [Event(kind=Kind.RUN_ANSWERED, turn=1, body={"n": 1})])
        late = office.journal.record_as_told(Kind.RUN_NOTED, live.who, {})
        reads = office.store.calls
        seen: list[bool] = []

        async def looking(session_id: str) -> Any:
            seen.append(office.store.journal[-1].kind is Kind.RUN_NOTED)
            return await reads(session_id)

        office.store.calls = looking
        office.journal.queue([late])
        await office.runs.fork(run, 1)
        assert seen[0]

    asyncio.run(main())
