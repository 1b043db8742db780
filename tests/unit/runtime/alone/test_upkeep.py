"""What a tick of the server does: each second, to each session, at each boundary."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
from typing import Any

import pytest

from holdfast.core.sessions import Command
from holdfast.model.bodies import PermitRefused
from holdfast.model.sessions import SessionState
from holdfast.ports.store import EffectFilter
from holdfast.runtime.doorkeeper import ModelDoorkeeper
from holdfast.runtime.processes import Fence
from holdfast.runtime.upkeep import Upkeep
from tests.unit.runtime.alone.desk import Desk, S, call


def upkeep(desk):
    return Upkeep(desk.sessions, desk.journal, desk.clock, desk.store)


@pytest.mark.parametrize("paused", [False, True])
def test_session_ends_at_its_wall_clock_and_its_streams_with_it(paused):
    async def main():
        desk: Any = Desk()
        live = await desk.open(ttl_s=10)
        kept_s, text = 10, "the session reached its wall clock"
        if paused:
            await desk.sessions.change(live, Command.PAUSE, "")
            kept_s, text = 7 * 86_400, "nobody resumed the session while it was kept"
        cuts: list[str] = []
        live.streams["h"] = cuts.append
        desk.clock.advance(kept_s - 1e-3)
        upkeep(desk).tick()
        assert live.session.state in (SessionState.ACTIVE, SessionState.PAUSED)
        desk.clock.advance(1e-3)
        upkeep(desk).tick()
        assert (live.session.state, live.session.state_reason) == (SessionState.EXPIRED, text)
        upkeep(desk).tick()
        assert cuts == [f"credential_expired: {text}"]
        await desk.journal.commit(())
        assert [one["kind"] for one in desk.since(1)][-1:] == ["session.expired"]

    asyncio.run(main())


@pytest.mark.parametrize("forgotten", [False, True])
def test_end_of_a_paused_session_is_told_once_a_day_before_also_where_nobody_has_it_in_memory(
    forgotten,
):
    async def main():
        desk: Any = Desk()
        live, other = await desk.open(ttl_s=10), await desk.open(ttl_s=10**6)
        name, seq = live.session.session_id, desk.seq
        await desk.sessions.change(live, Command.PAUSE, "lunch")
        if forgotten:
            desk.sessions.forget(live)
        for after_s, told in ((6 * 86_400 - 1, 0), (1, 1), (5, 1)):
            desk.clock.advance(after_s)
            for _ in range(3):
                await upkeep(desk).look()
                upkeep(desk).tick()
                await desk.journal.commit(())
            ending = [one for one in desk.since(seq) if one["kind"] == "session.ending"]
            assert len(ending) == told
        live = await desk.sessions.get(name)
        assert ending[0]["body"] == {"reason": "lunch", "until_ns": live.session.expires_at_ns}
        assert desk.sessions.loaded(other.session.session_id) is other
        # Resumed and paused anew it is told of anew.
        await desk.sessions.change(live, Command.RESUME, "")
        await desk.sessions.change(live, Command.PAUSE, "tea")
        desk.clock.advance(6 * 86_400)
        upkeep(desk).tick()
        await desk.journal.commit(())
        ending = [one for one in desk.since(seq) if one["kind"] == "session.ending"]
        assert [one["body"]["reason"] for one in ending] == ["lunch", "tea"]
        if forgotten:
            desk.sessions.forget(live)
        desk.clock.advance(86_400)
        await upkeep(desk).look()
        upkeep(desk).tick()
        await desk.journal.commit(())
        assert (await desk.store.session(name)).state is SessionState.EXPIRED

    asyncio.run(main())


@pytest.mark.parametrize("command", [None, *Command])
def test_what_is_over_leaves_the_memory_after_ten_minutes_unless_it_streams(command):
    async def main():
        desk: Any = Desk()
        live = await desk.open(ttl_s=10**6)
        if command is Command.RESUME:
            await desk.sessions.change(live, Command.PAUSE, "")
        if command is not None:
            await desk.sessions.change(live, command, "")
        name = live.session.session_id
        desk.clock.advance(600)
        upkeep(desk).tick()
        assert desk.sessions.loaded(name) is live
        desk.clock.advance(1e-9)
        live.streams["h"] = lambda why: None
        upkeep(desk).tick()
        assert desk.sessions.loaded(name) is live
        live.streams.clear()
        upkeep(desk).tick()
        over = command not in (None, Command.PAUSE, Command.RESUME)
        assert (desk.sessions.loaded(name) is None) == over

    asyncio.run(main())


def test_clock_that_was_set_is_told_once_by_how_much_where_it_is_more_than_two_seconds():
    async def main():
        desk: Any = Desk()
        one = upkeep(desk)
        for by in (2 * S, 2 * S + 1, 2 * S + 1, 4 * S + 1, 4 * S + 2, -5, -3 * S):
            desk.clock.off_by_ns = by
            one.tick()
        await desk.journal.commit(())
        assert desk.since(0) == [
            {"kind": "clock.jumped", "body": {"off_by_ns": by}} for by in (2 * S + 1, 4 * S + 2, -5)
        ] + [{"kind": "clock.jumped", "body": {"off_by_ns": -3 * S}}]

    asyncio.run(main())


def test_refusals_that_were_only_counted_are_told_when_their_minute_is_over():
    async def main():
        desk: Any = Desk()
        live = await desk.open()
        for _ in range(23):
            await desk.journal.refused(PermitRefused(why="no"), live.who)
        seq = desk.seq
        desk.clock.advance(60)
        upkeep(desk).tick()
        await desk.journal.commit(())
        body = {"why": "refused 3 times more within a minute", "times": 3}
        assert desk.since(seq, live.who) == [
            {"kind": "permit.refused", "verdict": "deny", "body": body}
        ]

    asyncio.run(main())


class Processes:
    """Remembers who was adopted; `seen` is what lives."""

    def __init__(self):
        self.adopted = []
        self.lives = frozenset[tuple[int, int]]()

    async def adopt(self, session_id):
        self.adopted.append(session_id)
        return "none"

    async def seen(self, session_id):
        return self.lives


class Turns:
    """Remembers which tenants were about."""

    def __init__(self):
        self.tenants = []

    def seen(self, tenant):
        self.tenants.append(tenant)


def test_whoever_comes_to_the_models_door_is_about_and_is_fenced_in_once():
    async def main():
        desk: Any = Desk()
        live = await desk.open()
        turns: Any = Turns()
        processes: Any = Processes()
        keeper = ModelDoorkeeper(desk.sessions, turns, Fence(processes))
        for _ in range(2):
            assert await keeper.authenticate_model(desk.token) is live
        assert turns.tenants == ["acme", "acme"]
        assert processes.adopted == [live.session.session_id]
        assert live.adopted

    asyncio.run(main())


@pytest.mark.parametrize(
    ("first", "lives", "ran", "alone"),
    [
        (None, {(1, 1)}, False, True),
        (None, set(), False, False),
        (None, {(1, 1)}, True, False),
        ({(1, 1), (2, 2)}, {(1, 1)}, True, True),
        ({(1, 1), (2, 2)}, {(1, 1), (2, 2)}, True, True),
        ({(1, 1)}, {(1, 1), (2, 2)}, True, False),
        ({(1, 1)}, set(), True, False),
    ],
)
def test_nothing_that_a_tool_started_lives_where_all_that_lives_was_there_before(
    first, lives, ran, alone
):
    async def main():
        desk: Any = Desk()
        live = await desk.open(sealed=True)
        processes: Any = Processes()
        fence = Fence(processes)
        if first is not None:
            processes.lives = frozenset(first)
            await fence.adopt(live)
            assert live.first_processes == first
        call(live, "c0")
        call(live, "c9", session="ses_other", attempts=1)
        if ran:
            call(live, "c1", attempts=1)
        processes.lives = frozenset(lives)
        assert await fence.alone(live) == alone
        await fence.adopt(live)
        assert live.first_processes == (lives if not ran else first)
        assert set(processes.adopted) == {live.session.session_id}

    asyncio.run(main())


def test_session_that_is_not_sealed_remembers_no_processes():
    async def main():
        desk: Any = Desk()
        live = await desk.open()
        processes: Any = Processes()
        processes.lives = frozenset({(1, 1)})
        await Fence(processes).adopt(live)
        assert live.first_processes is None
        assert live.adopted

    asyncio.run(main())


def test_what_a_client_left_open_before_a_restart_is_unknown_once_its_session_is_over():
    """Nobody asks for the session any more, so nothing else would look at its wall clock."""

    async def main():
        desk: Any = Desk()
        live = await desk.open(ttl_s=10)
        entry = desk.intend(live, "c1")
        await desk.journal.commit([], [live.session, entry])
        again: Any = await desk.restarted()
        assert again.sessions.loaded(live.session.session_id) is None
        await again.sessions.recall_left_open()
        assert again.sessions.loaded(live.session.session_id) is not None
        again.clock.advance(10)
        upkeep(again).tick()
        await again.journal.commit(())
        (unknown,) = await again.store.unknown_effects(EffectFilter())
        assert (unknown.call_id, unknown.session) == ("c1", live.session.session_id)

    asyncio.run(main())
