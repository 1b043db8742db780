"""Deleting working state that is old enough: a pass at a time, in steps short enough to wait for.

A pass never touches the journal, nor what something live or open needs (`ports.store.Store.purge`
says what that is). What memory held of what went is let go with it. Not here: SQL, timers.
"""

import asyncio

import msgspec

from holdfast.errors import Conflict, HoldfastError
from holdfast.model import bodies
from holdfast.model.retention import Cuts, PurgeCounts, Purged
from holdfast.ports.clock import Clock
from holdfast.ports.store import Store
from holdfast.runtime.effects import Effects
from holdfast.runtime.journal import Journal
from holdfast.runtime.sessions import Sessions

_NS = 1_000_000_000
_DAY_S = 86_400
_STEP_ROWS = 25
_STEP_BYTES = 1024 * 1024
_REST_S = 0.01
"""Between two steps, so that what decisions commit is never far behind in the queue."""


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """How many days things are kept once they are over; None keeps them.

    A pass is made by itself each `every_s` seconds.
    """

    sessions_days: int | None = None
    effects_days: int | None = None
    conversations_days: int | None = None
    every_s: float = 3_600.0


class Collected(msgspec.Struct, frozen=True, kw_only=True):
    """One pass. `free_bytes` are inside the store, ready for new rows; `cuts` say what was old."""

    dry_run: bool
    cuts: Cuts
    counts: PurgeCounts
    freed_bytes: int = 0
    free_bytes: int = 0


class Retention:
    """Makes the passes."""

    def __init__(
        self,
        store: Store,
        journal: Journal,
        sessions: Sessions,
        effects: Effects,
        clock: Clock,
        terms: Terms,
    ) -> None:
        self._store = store
        self._journal = journal
        self._sessions = sessions
        self._effects = effects
        self._clock = clock
        self._terms = terms
        self._at_work = False

    @property
    def every_s(self) -> float:
        """Seconds between the passes that nobody asks for."""
        return self._terms.every_s

    def cuts(self, older_than_s: int | None = None) -> Cuts:
        """What is old now; `older_than_s` stands in place of the days of ended sessions."""
        terms, now_ns = self._terms, self._clock.now_ns()
        sessions_s = older_than_s
        if sessions_s is None and terms.sessions_days is not None:
            sessions_s = terms.sessions_days * _DAY_S
        return Cuts(
            sessions_ns=_before(now_ns, sessions_s),
            effects_ns=_before(now_ns, _seconds(terms.effects_days)),
            saved_ns=_before(now_ns, _seconds(terms.conversations_days)),
            expired_ns=now_ns,
        )

    async def trial(self, older_than_s: int | None = None) -> Collected:
        """What a pass would delete. Errors: StoreUnavailable."""
        cuts = self.cuts(older_than_s)
        return Collected(dry_run=True, cuts=cuts, counts=await self._store.purgeable(cuts))

    async def collect(self, older_than_s: int | None = None, *, by: str) -> Collected:
        """Delete what is old, step by step, and say so in the journal.

        A pass that fails has deleted what its record says. Errors: Conflict while another pass is
        under way, StoreUnavailable.
        """
        if self._at_work:
            raise Conflict("a pass is under way already")
        self._at_work = True
        try:
            return await self._collect(self.cuts(older_than_s), by)
        finally:
            self._at_work = False

    async def due(self) -> None:
        """The pass that nobody asked for; nothing is written where nothing was old."""
        if not self._at_work:
            await self.collect(by="the timer")

    async def _collect(self, cuts: Cuts, by: str) -> Collected:
        done = Collected(dry_run=False, cuts=cuts, counts=PurgeCounts())
        fault = ""
        try:
            while True:
                step = await self._store.purge(cuts, now_ns=self._clock.now_ns(), limit=_STEP_ROWS)
                if step.nothing:
                    break
                self._let_go(step)
                done = msgspec.structs.replace(done, counts=_sum(done.counts, step))
                await asyncio.sleep(_REST_S)
            done = await self._compacted(done)
        except HoldfastError as error:
            fault = error.message
            raise
        finally:
            if by == "admin" or done.counts != PurgeCounts():
                await self._tell(done, by, fault)
        return done

    def _let_go(self, step: Purged) -> None:
        for name in step.sessions:
            live = self._sessions.loaded(name)
            if live is not None:
                self._sessions.forget(live)
        self._effects.forget(step.effects)

    async def _compacted(self, done: Collected) -> Collected:
        freed = 0
        while True:
            step = await self._store.compact(_STEP_BYTES)
            freed += step.freed_bytes
            if not step.freed_bytes or not step.free_bytes:
                return msgspec.structs.replace(done, freed_bytes=freed, free_bytes=step.free_bytes)
            await asyncio.sleep(_REST_S)

    async def _tell(self, done: Collected, by: str, fault: str) -> None:
        counts, cuts = done.counts, done.cuts
        body = bodies.RetentionApplied(
            by=by,
            sessions=counts.sessions,
            calls=counts.calls,
            runs=counts.runs,
            effects=counts.effects,
            conversations=counts.conversations,
            sessions_before_ns=cuts.sessions_ns,
            effects_before_ns=cuts.effects_ns,
            conversations_before_ns=cuts.saved_ns,
            freed_bytes=done.freed_bytes,
            fault=fault,
        )
        await self._journal.commit([self._journal.record(body, None)])


def _seconds(days: int | None) -> int | None:
    return None if days is None else days * _DAY_S


def _before(now_ns: int, seconds: int | None) -> int:
    return 0 if seconds is None else max(now_ns - seconds * _NS, 0)


def _sum(counts: PurgeCounts, step: Purged) -> PurgeCounts:
    return PurgeCounts(
        sessions=counts.sessions + len(step.sessions),
        calls=counts.calls + step.calls,
        runs=counts.runs + len(step.runs),
        effects=counts.effects + len(step.effects),
        conversations=counts.conversations + step.conversations,
    )
