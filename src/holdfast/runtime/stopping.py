"""Pause, kill and resume of a part of the fleet: one act, durable as a whole, with one receipt.

What is in memory is held before anything is awaited, in one commit with the stop itself; then every
session that only the store knows. A stop that the process did not bring to its end is brought there
by the next one (`finish`), and whoever is read before that is held all the same (`stops`).

Not here: what a kill pulls (`kill`), who may lift what (`apps/control/stops`).
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Sequence

import msgspec

from holdfast.core.sessions import GOING_ON
from holdfast.core.stops import command, covers, held, told
from holdfast.errors import Conflict
from holdfast.model import bodies
from holdfast.model.events import Record
from holdfast.model.sessions import Session, SessionState
from holdfast.model.stops import Reach, Stop, StopKind
from holdfast.model.views.kills import KillLever, KillReceipt
from holdfast.model.views.stops import StoppedSession, StopReach, StopReceipt, StopView
from holdfast.ports.store import Change, SessionFilter, Store
from holdfast.runtime.kill import Killer
from holdfast.runtime.live import LiveSession
from holdfast.runtime.runs import Runs
from holdfast.runtime.services import Services

_PAGE = 1_000
_MOST_TOLD = 2_000


class Stopping:
    """Stops parts of the fleet, and lets them go on."""

    def __init__(self, services: Services, store: Store, killer: Killer, runs: Runs) -> None:
        self._sessions = services.sessions
        self._stops = services.sessions.stops
        self._journal = services.journal
        self._clock = services.clock
        self._entropy = services.entropy
        self._store = store
        self._killer = killer
        self._runs = runs
        # One at a time goes through the store; refusing waits for nobody.
        self._turn = asyncio.Lock()

    async def finish(self) -> None:
        """Kill what a kill before the last start did not come to. Errors: StoreUnavailable."""
        for stop in self._stops.all():
            if stop.kind is StopKind.KILL:
                await self._kill_stored(stop, _Act(stop))

    async def pause(self, reach: Reach, reason: str, *, by: str) -> StopReceipt:
        """Hold every session within reach, those to come as well. Errors: StoreUnavailable."""
        stop, already = self._stop_of(reach, StopKind.PAUSE, reason, by)
        act, (records, changes) = _Act(stop), self._placed(stop, already=already)
        for live in self._covered(reach):
            held_by = self._sessions.hold(live) or ([], [])
            records += held_by[0]
            changes += held_by[1]
            act.saw(live.session)
        durable = self._journal.commit(records, changes)
        act.pulled("refuse", f"{len(act.sessions)} sessions in memory wait")
        await durable
        act.pulled("journal", "durable")
        await self._hold_stored(act)
        return await self._receipt(act, "pause", by, already=already)

    async def kill(self, reach: Reach, reason: str, *, by: str) -> StopReceipt:
        """End every session within reach, and let none open. Errors: StoreUnavailable."""
        stop, already = self._stop_of(reach, StopKind.KILL, reason, by)
        act = _Act(stop)
        durable = self._journal.commit(*self._placed(stop, already=already))
        act.pulled("refuse", "nothing opens there any more")
        await self._kill(act, [one for one in self._covered(reach) if _was_there(one, stop)])
        await durable
        act.pulled("journal", "durable")
        await self._kill_stored(stop, act)
        return await self._receipt(act, "kill", by, already=already)

    async def resume(self, reach: Reach, reason: str, *, by: str) -> StopReceipt:
        """Lift the stop of exactly this reach: whom nothing else holds goes on.

        Errors: Conflict where there is none, StoreUnavailable.
        """
        stop = self._stops.find(reach)
        if stop is None:
            others = [one for one in self._stops.all() if _meets(one.reach, reach)]
            more = f"; what holds some of it: {self._stops.why(others)}" if others else ""
            raise Conflict(f"no stop holds {reach}{more}")
        self._stops.lift(stop)
        act, now_ns = _Act(stop), self._clock.now_ns()
        lifted = msgspec.structs.replace(stop, lifted_at_ns=now_ns)
        tells = {"by": by, "reason": reason, "stop_id": stop.stop_id}
        body = bodies.StopLifted(**_named(stop), reason=reason, by=by)
        records: list[Record] = [self._record(body, stop.reach)]
        changes: list[Change] = [lifted]
        gone_on = list[str]()
        for live in self._covered(reach):
            freed = self._sessions.hold(live, **tells) or ([], [])
            records += freed[0]
            changes += freed[1]
            gone_on += [live.session.session_id] if freed[0] else []
            act.saw(live.session, wanted=SessionState.ACTIVE, why=self._why(live.session))
        durable = self._journal.commit(records, changes)
        act.pulled("lift", f"{len(gone_on)} sessions in memory go on")
        await durable
        act.pulled("journal", "durable")
        gone_on += await self._free_stored(act, tells)
        for session_id in gone_on:
            await self._runs.stop_lifted(session_id)
        return await self._receipt(act, "resume", by, already=False)

    async def reach(self, reach: Reach) -> StopReach:
        """Who is within reach and not over. Errors: StoreUnavailable."""
        found = [one.principal async for one in self._stored(reach)]
        return StopReach(
            what=str(reach),
            sessions=len(found),
            users=len({(who.tenant, who.user) for who in found}),
            agents=len({who.agent for who in found}),
        )

    async def standing(self) -> tuple[StopView, ...]:
        """Every stop, with how many sessions wait for it. Errors: StoreUnavailable."""
        stops = self._stops.all()
        counts = dict.fromkeys((one.stop_id for one in stops), 0)
        if stops:
            async for session in self._stored(Reach()):
                for one in self._stops.of(session.principal):
                    counts[one.stop_id] += session.state is SessionState.PAUSED
        return tuple(self._view(one, counts[one.stop_id]) for one in stops)

    def _stop_of(self, reach: Reach, kind: StopKind, reason: str, by: str) -> tuple[Stop, bool]:
        """The stop that stands already, or a new one. A kill takes the place of a pause."""
        before = self._stops.find(reach)
        if before is not None and (before.kind is kind or kind is StopKind.PAUSE):
            return before, True
        return Stop(
            stop_id=self._entropy.new_id("stp"),
            reach=reach,
            kind=kind,
            by=by,
            reason=reason,
            at_ns=self._clock.now_ns(),
        ), False

    def _placed(self, stop: Stop, *, already: bool) -> tuple[list[Record], list[Change]]:
        """Let it stand from now on; what to commit of that."""
        if already:
            return [], []
        self._stops.place(stop)
        body = bodies.StopPlaced(**_named(stop), reason=stop.reason, by=stop.by)
        return [self._record(body, stop.reach)], [stop]

    def _record(self, body: bodies.Body, reach: Reach) -> Record:
        return self._journal.record(body, None, **msgspec.structs.asdict(reach))

    def _covered(self, reach: Reach) -> list[LiveSession]:
        """The sessions in memory within reach that are not over, those above before those below."""
        found = []
        for live in self._sessions.in_memory():
            if covers(reach, live.who):
                self._sessions.lapse(live)
                found += [live] if live.session.state in GOING_ON else []
        return sorted(found, key=lambda live: live.session.depth)

    async def _pages(self, reach: Reach) -> AsyncIterator[list[Session]]:
        """Pages of the sessions within reach that are not over, as the store has them."""
        before: tuple[int, str] | None = None
        while True:
            where = SessionFilter(
                tenant=reach.tenant,
                project=reach.project,
                user=reach.user,
                states=GOING_ON,
                before=before,
                limit=_PAGE,
            )
            page = await self._store.sessions(where)
            yield [one for one in page if covers(reach, one.principal)]
            if len(page) < _PAGE:
                return
            before = page[-1].opened_at_ns, page[-1].session_id

    async def _stored(self, reach: Reach) -> AsyncIterator[Session]:
        """Sessions within reach that are not over, as they stand now."""
        async for page in self._pages(reach):
            for one in page:
                live = self._sessions.loaded(one.session_id)
                now = one if live is None else live.session
                if now.state in GOING_ON and now.expires_at_ns > self._clock.now_ns():
                    yield now

    def _unread(self, page: Iterable[Session]) -> list[Session]:
        return [one for one in page if self._sessions.loaded(one.session_id) is None]

    async def _hold_stored(self, act: "_Act") -> None:
        """Hold what only the store knows."""
        seen = len(act.sessions)
        async with self._turn:
            async for page in self._pages(act.stop.reach):
                records, changes = list[Record](), list[Change]()
                for session in self._unread(page):
                    after, told_of = self._stops.hold(session)
                    act.saw(after)
                    if told_of:
                        records += told_of
                        changes.append(after)
                await self._journal.commit(records, changes)
        act.pulled("stored", f"{len(act.sessions) - seen} more sessions wait")

    async def _free_stored(self, act: "_Act", tells: dict[str, str]) -> list[str]:
        """Let go what only the store knows; ids of those that go on."""
        gone_on = list[str]()
        async with self._turn:
            async for page in self._pages(act.stop.reach):
                records, changes = list[Record](), list[Change]()
                for session in self._unread(page):
                    # One that nobody came to while the stop stood was held all the same.
                    stops = (*self._stops.of(session.principal), act.stop)
                    was = held(session, stops, self._clock.now_ns())
                    after, told_of = self._stops.hold(was, **tells)
                    act.saw(after, wanted=SessionState.ACTIVE, why=self._why(after))
                    if after is not session:
                        records += told_of
                        changes.append(after)
                    gone_on += [session.session_id] if told_of else []
                await self._journal.commit(records, changes)
        act.pulled("stored", f"{len(gone_on)} sessions in all go on")
        return gone_on

    async def _kill_stored(self, stop: Stop, act: "_Act") -> None:
        """Kill what is left in the store, whoever was read meanwhile as well."""
        async with self._turn:
            async for page in self._pages(stop.reach):
                found = [await self._sessions.get(one.session_id) for one in page]
                going = [one for one in found if one.session.state in GOING_ON]
                await self._kill(act, [one for one in going if _was_there(one, stop)])
        act.pulled("stored", f"{len(act.kills)} kills in all")

    async def _kill(self, act: "_Act", lives: Sequence[LiveSession]) -> None:
        """Kill these, each with all below it."""
        names = {one.session.session_id for one in lives}
        tops = [one for one in lives if not names & {up.session.session_id for up in _above(one)}]
        if tops:
            stop = act.stop
            act.killed(
                tops,
                await self._killer.kill_all(tops, told(stop), by=stop.by, stop=stop.stop_id),
            )

    def _why(self, session: Session) -> str:
        """What still holds a session that was to go on."""
        if session.state is SessionState.ACTIVE:
            return ""
        if session.by_stop:
            return "; ".join(map(told, self._stops.of(session.principal)))
        return session.state_reason or "it is paused by itself"

    async def _receipt(self, act: "_Act", did: str, by: str, *, already: bool) -> StopReceipt:
        """What was done, journalled."""
        waiting = sum(one.state is SessionState.PAUSED for one in act.sessions)
        receipt = StopReceipt(
            stop=self._view(act.stop, waiting),
            already=already,
            levers=tuple(act.levers),
            sessions=tuple(act.sessions),
            kills=tuple(act.kills),
            total_ms=act.ms(),
        )
        body = bodies.StopReceipt(
            stop_id=act.stop.stop_id,
            act=did,
            by=by,
            number=len(receipt.sessions),
            failed=sum(not one.ok for one in receipt.sessions),
            total_ms=receipt.total_ms,
            sessions=tuple(
                msgspec.structs.replace(one, why="") for one in receipt.sessions[:_MOST_TOLD]
            ),
        )
        await self._journal.commit([self._record(body, act.stop.reach)])
        return receipt

    def _view(self, stop: Stop, sessions: int) -> StopView:
        return StopView(
            stop_id=stop.stop_id,
            kind=stop.kind,
            what=str(stop.reach),
            by=stop.by,
            reason=stop.reason,
            at_ns=stop.at_ns,
            lifts=command("resume", stop.reach),
            lifted_by=self._stops.lifters(stop.reach),
            sessions=sessions,
            **msgspec.structs.asdict(stop.reach),
        )


class _Act:
    """What one act did so far."""

    def __init__(self, stop: Stop) -> None:
        self.stop = stop
        self.levers: list[KillLever] = []
        self.sessions: list[StoppedSession] = []
        self.kills: list[KillReceipt] = []
        self._start_s = time.perf_counter()

    def ms(self) -> float:
        """Since it was asked for."""
        return round((time.perf_counter() - self._start_s) * 1000, 3)

    def pulled(self, name: str, detail: str) -> None:
        """A lever of the act as a whole."""
        self.levers.append(KillLever(lever=name, ms=self.ms(), ok=True, detail=detail))

    def saw(
        self, session: Session, *, wanted: SessionState = SessionState.PAUSED, why: str = ""
    ) -> None:
        """How a session stands by now. One that something else still holds is as it was to be."""
        who = session.principal
        self.sessions.append(
            StoppedSession(
                session_id=session.session_id,
                tenant=who.tenant,
                user=who.user,
                agent=who.agent,
                state=session.state,
                ms=self.ms(),
                ok=session.state is wanted or bool(why),
                why=why,
            )
        )

    def killed(self, lives: Sequence[LiveSession], receipts: Sequence[KillReceipt]) -> None:
        """What kills said of these, and of all below them."""
        self.kills += receipts
        for live, receipt in zip(lives, receipts, strict=True):
            who, ok = live.who, all(lever.ok for lever in receipt.levers)
            named = [(receipt.session_id, who.agent, receipt.state, ok)]
            named += [(c.session_id, c.agent, c.state, c.ok) for c in receipt.children]
            self.sessions += [
                StoppedSession(
                    session_id=session_id,
                    tenant=who.tenant,
                    user=who.user,
                    agent=agent,
                    state=state,
                    ms=receipt.total_ms,
                    ok=done,
                )
                for session_id, agent, state, done in named
            ]


def _named(stop: Stop) -> dict[str, str]:
    """Which stop it is, for the journal."""
    named: dict[str, str] = msgspec.structs.asdict(stop.reach)
    return named | {"stop_id": stop.stop_id, "act": stop.kind, "what": str(stop.reach)}


def _above(live: LiveSession) -> list[LiveSession]:
    return [one for one in live.line if one is not live]


def _was_there(live: LiveSession, stop: Stop) -> bool:
    """Whether the session was opened before the stop came: none was while it stands."""
    return live.session.opened_at_ns <= stop.at_ns


def _meets(one: Reach, other: Reach) -> bool:
    """Whether somebody may be within both."""
    both = zip(msgspec.structs.astuple(one), msgspec.structs.astuple(other), strict=True)
    return all(not a or not b or a == b for a, b in both)
