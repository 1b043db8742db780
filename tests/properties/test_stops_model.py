"""Whatever is paused, killed and resumed in whatever order: a session acts where nothing holds it.

The model is sets: the stops that stand, who is paused by themselves, who is dead. A session's life
runs only while it may act, over restarts too, wherever its row was when the stop came.
"""

# mypy: no-check-untyped-defs

import asyncio
import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.core.sessions import Command
from holdfast.core.stops import covers
from holdfast.errors import Conflict, SessionStopped
from holdfast.model.sessions import SessionState
from holdfast.model.stops import Reach, StopKind
from tests.unit.runtime.alone.desk import Desk, S, draft

TENANTS, USERS, AGENTS = ("a", "ab"), ("ann", "anna"), ("bot", "bot2")
REACHES = st.builds(
    Reach,
    tenant=st.sampled_from(["", *TENANTS]),
    user=st.sampled_from(["", *USERS]),
    agent=st.sampled_from(["", *AGENTS]),
)
PEOPLE = st.tuples(st.sampled_from(TENANTS), st.sampled_from(USERS), st.sampled_from(AGENTS))
NUMBERS = st.integers(0, 5)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("pause"), REACHES),
        st.tuples(st.just("pause"), REACHES),
        st.tuples(st.just("resume"), REACHES),
        st.tuples(st.just("resume"), NUMBERS),
        st.tuples(st.just("kill"), REACHES),
        st.tuples(st.just("open"), PEOPLE),
        st.tuples(st.just("hold"), NUMBERS),
        st.tuples(st.just("free"), NUMBERS),
        st.tuples(st.just("restart"), st.none()),
    ),
    max_size=14,
)
LIFE_S = 10_000


class _Model:
    """What sets say."""

    def __init__(self) -> None:
        self.stops: dict[Reach, StopKind] = {}
        self.people: dict[str, Any] = {}
        self.own: set[str] = set()
        self.dead: set[str] = set()
        self.left_s: dict[str, int] = {}

    def acts(self, name: str) -> bool:
        if name in self.own | self.dead:
            return False
        return not any(covers(reach, self.people[name]) for reach in self.stops)

    def passes(self) -> None:
        for name in self.people:
            self.left_s[name] -= self.acts(name)


class _World:
    """A house, and what the model says of it."""

    def __init__(self) -> None:
        self.desk: Any = Desk()
        self.model = _Model()
        self.names: list[str] = []

    async def step(self, what: str, given: Any) -> None:
        await getattr(self, f"_{what}")(given)
        self.model.passes()
        self.desk.clock.advance(1)

    async def _open(self, given) -> None:
        tenant, user, agent = given
        wanted = draft(user=user, tenant=tenant, agent=agent, ttl_s=LIFE_S)
        if any(covers(reach, wanted.principal) for reach in self.model.stops):
            with pytest.raises(SessionStopped):
                await self.desk.sessions.open(wanted)
            return
        live, _ = await self.desk.sessions.open(wanted)
        name = live.session.session_id
        self.names.append(name)
        self.model.people[name], self.model.left_s[name] = live.who, LIFE_S

    async def _pause(self, reach) -> None:
        await self.desk.stopping.pause(reach, "", by="root")
        self.model.stops.setdefault(reach, StopKind.PAUSE)

    async def _kill(self, reach) -> None:
        await self.desk.stopping.kill(reach, "", by="root")
        self.model.stops[reach] = StopKind.KILL
        self.model.dead |= {n for n, who in self.model.people.items() if covers(reach, who)}

    async def _resume(self, given) -> None:
        if isinstance(given, int):
            standing = sorted(self.model.stops, key=str)
            if not standing:
                return
            given = standing[given % len(standing)]
        if given not in self.model.stops:
            with pytest.raises(Conflict):
                await self.desk.stopping.resume(given, "", by="root")
            return
        await self.desk.stopping.resume(given, "", by="root")
        del self.model.stops[given]

    async def _own(self, number: int, command: Command) -> str:
        if not self.names:
            return ""
        name = self.names[number % len(self.names)]
        live = await self.desk.sessions.get(name)
        with contextlib.suppress(Conflict):
            await self.desk.sessions.change(live, command, "")
        return name

    async def _hold(self, number) -> None:
        name = await self._own(number, Command.PAUSE)
        if name and name not in self.model.dead:
            self.model.own.add(name)

    async def _free(self, number) -> None:
        self.model.own.discard(await self._own(number, Command.RESUME))

    async def _restart(self, _) -> None:
        self.desk = await self.desk.restarted()
        await self.desk.sessions.stops.load(self.desk.store)
        await self.desk.stopping.finish()

    async def check(self) -> None:
        stops = {one.reach: one.kind for one in self.desk.sessions.stops.all()}
        assert stops == self.model.stops
        for name in self.names:
            live, acts = await self.desk.sessions.get(name), self.model.acts(name)
            if acts:
                self.desk.sessions.check_live(live)
            else:
                with pytest.raises(SessionStopped):
                    self.desk.sessions.check_live(live)
            assert (live.session.state is SessionState.KILLED) == (name in self.model.dead)
            if name not in self.model.dead:
                session, now_ns = live.session, self.desk.clock.now_ns()
                left_ns = session.life_left_ns or session.expires_at_ns - now_ns
                assert left_ns == self.model.left_s[name] * S


@settings(max_examples=150, deadline=None)
@given(st.lists(PEOPLE, min_size=1, max_size=4), STEPS)
def test_any_order_of_stops_pauses_and_restarts_is_the_model_of_sets(people, steps):
    async def main() -> None:
        world = _World()
        for one in people:
            await world.step("open", one)
        for what, given_ in steps:
            await world.step(what, given_)
        await world.check()

    asyncio.run(main())
