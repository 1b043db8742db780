"""Who works at which run: a queue in memory, each change of it one commit with its record.

Seven verbs: enqueue, claim, heartbeat, recover, delay, cancel, purge. A claim raises the run's
epoch and gives its session new tokens, so whoever had the run before is refused at both doors and
in the journal: that is the fence, and nobody has to be asked to stop. What waits for a person or
is over is not kept here. Built again from the store at start.

Not here: which run goes next (`core/run_queue`), how a claim waits (`runtime/waiting`), what a run
is (`runtime/runs`).
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping
from itertools import islice
from typing import NamedTuple

import msgspec

from holdfast.core import runs as rules
from holdfast.core.run_queue import RunQueue
from holdfast.core.runs import By, SharesOf
from holdfast.core.sessions import GOING_ON, Command, after, life_left_ns
from holdfast.errors import LeaseLost, NotFound
from holdfast.model import bodies
from holdfast.model.events import Record
from holdfast.model.runs import Run, RunState
from holdfast.model.sessions import SessionState
from holdfast.ports.clock import Clock
from holdfast.ports.store import RunFilter, Store
from holdfast.runtime.journal import Journal, noted
from holdfast.runtime.live import LiveSession
from holdfast.runtime.sessions import Sessions
from holdfast.runtime.waiting import NotYet, Waiting
from holdfast.runtime.workers import lives

_NS = 1_000_000_000
# How long a session may wait while nobody works at its run.
WAITING_LIFE_NS = 30 * 86_400 * _NS
_PAGE = 10_000
# Runs whose session ended are ended so many at a time: each is a record.
_ENDED_A_TICK = 500

_RECORDED: Mapping[RunState, type[bodies.RunMoved]] = {
    RunState.QUEUED: bodies.RunResumed,
    RunState.PARKED: bodies.RunParked,
    RunState.FAILED: bodies.RunFailed,
    RunState.CANCELLED: bodies.RunCancelled,
    RunState.DEAD: bodies.RunDead,
}


class Claimed(msgspec.Struct, frozen=True):
    """One activation: the run as claimed, and its session's new token.

    The lease began `waited_s` seconds after the claim came, or later.
    """

    run: Run
    token: str
    waited_s: float = 0.0


class _Taken(NamedTuple):
    """A run that left the queue: as it stood there and as it is taken, at a time of the loop."""

    waited: Run
    run: Run
    at_s: float


class Dispatch:
    """The queue of this server."""

    def __init__(
        self,
        store: Store,
        journal: Journal,
        sessions: Sessions,
        clock: Clock,
        *,
        shares_of: SharesOf,
        lease_s: float = 10.0,
        max_activations: int = 5,
        rest_s: float = 60.0,
    ) -> None:
        self._store = store
        self._journal = journal
        self._sessions = sessions
        self._clock = clock
        self.lease_s = lease_s
        self._max_activations = max_activations
        self._rest_s = rest_s
        self._resting: deque[tuple[int, LiveSession]] = deque()
        self._queue = RunQueue(shares_of)
        self._over: dict[str, LiveSession] = {}
        sessions.ended.append(self._session_ended)
        sessions.has_run = lambda session_id: self.of_session(session_id) is not None
        # By the agents that they ask for; None is for those who are to go.
        self._claimants = Waiting[tuple[str, ...], tuple[str, str], _Taken | None](
            self._take, self._put_back
        )
        self._closed = False

    async def load(self) -> None:
        """Build the queue from the store; workers that still live go on with what they have.

        How often a lease was renewed died with the server before, so that every worker gets one
        more; except where it is known to be dead, whose runs are there for others at once.
        """
        until_ns = self._clock.now_ns() + int(self.lease_s * _NS)
        async for run in self._open_runs():
            if run.state is not RunState.RUNNING:
                self._keep(msgspec.structs.replace(run, lease_until_ns=0))
            elif lives(run.worker_process) is False:
                self._recover(run, None)
            else:
                self._keep(msgspec.structs.replace(run, lease_until_ns=until_ns))

    async def _open_runs(self) -> AsyncIterator[Run]:
        """Every one that there is, a page at a time."""
        before: tuple[int, str] | None = None
        while True:
            where = RunFilter(states=rules.OPEN, before=before, limit=_PAGE)
            page = await self._store.runs(where)
            for run in page:
                yield run
            if len(page) < _PAGE:
                return
            before = page[-1].submitted_at_ns, page[-1].run_id

    def _keep(self, run: Run) -> None:
        self._queue.keep(run)
        live = self._sessions.loaded(run.session)
        if live is not None and live.session.state not in GOING_ON:
            self._session_ended(live)

    def _session_ended(self, live: LiveSession) -> None:
        """Its run, where it has one, ends with the next tick."""
        if self.of_session(live.session.session_id) is not None:
            self._over[live.session.session_id] = live

    def of_session(self, session_id: str) -> Run | None:
        """The open run of a session, None when it has none here."""
        return self._queue.of_session(session_id)

    def find(self, run_id: str) -> Run | None:
        """An open run, None when it is over, parked or unknown."""
        return self._queue.find(run_id)

    def enqueue(
        self, run: Run, records: Iterable[Record] = (), reason: str = ""
    ) -> asyncio.Future[None]:
        """Put a run into the queue, new or back again; durable once awaited."""
        queued = self._moved(run, RunState.QUEUED, By.PERSON, reason)
        live = self._sessions.loaded(run.session)
        given = list(records)
        if not given and live is not None:
            given = [self._record(live, queued, reason)]
        durable = self._journal.commit(given, [queued])
        self._keep(queued)
        self._claimants.pump()
        return durable

    def born(self, run: Run) -> Run:
        """A new run as it is queued, for whoever commits it with its session; `put` it then."""
        return self._unheld(run, RunState.QUEUED, "")

    def put(self, queued: Run) -> None:
        """Hand out a run that is durable from now on."""
        self._keep(queued)
        self._claimants.pump()

    async def claim(
        self,
        worker: str,
        *,
        wait_s: float = 0.0,
        agents: tuple[str, ...] = (),
        process: str = "",
    ) -> Claimed | None:
        """The next run for `worker`, waiting up to `wait_s` for one. Errors: StoreUnavailable."""
        loop = asyncio.get_running_loop()
        came_s = loop.time()
        while True:
            left_s = max(came_s + wait_s - loop.time(), 0.0)
            try:
                taken = await self._claimants.stand(agents, (worker, process), timeout_s=left_s)
            except TimeoutError:
                return None
            if taken is None:
                return None
            claimed = await self._hand_out(taken.run)
            if claimed is not None:
                return msgspec.structs.replace(claimed, waited_s=taken.at_s - came_s)

    def close(self) -> None:
        """Hand out nothing more, and let those who wait go."""
        self._closed = True
        self._claimants.pump()

    def _take(self, agents: tuple[str, ...], by: tuple[str, str]) -> _Taken | NotYet | None:
        if self._closed:
            return None
        # Before the lease begins: whoever counts from here counts too short.
        at_s, now_ns = asyncio.get_running_loop().time(), self._clock.now_ns()
        run = self._queue.pick(now_ns, agents)
        if run is None:
            return NotYet()
        rules.check_move(run, RunState.RUNNING, By.DISPATCH)
        taken = msgspec.structs.replace(
            run,
            state=RunState.RUNNING,
            epoch=run.epoch + 1,
            worker=by[0],
            worker_process=by[1],
            lease_until_ns=now_ns + int(self.lease_s * _NS),
            activations=run.activations + 1,
            failures=run.failures + 1,
            not_before_ns=0,
            changed_at_ns=now_ns,
            reason="",
        )
        self._keep(taken)
        self._queue.serve(run.tenant)
        return _Taken(run, taken, at_s)

    def _put_back(self, _: tuple[str, str], taken: _Taken | None) -> None:
        """Nobody learned that it was taken, and nothing of it was written."""
        if taken is not None and self._still(taken.run) is not None:
            self._keep(taken.waited)

    def _still(self, taken: Run) -> Run | None:
        """A run that was taken, as it is by now; None where it is over or another's meanwhile."""
        run = self._queue.at_work(taken.run_id)
        return run if run is not None and run.epoch == taken.epoch else None

    async def _hand_out(self, taken: Run) -> Claimed | None:
        """The session's new tokens with the run, or the run's end where it cannot go on."""
        try:
            live = await self._sessions.get(taken.session)
        except NotFound:
            rules.check_move(taken, RunState.FAILED, By.DISPATCH)
            self._keep(msgspec.structs.replace(taken, state=RunState.FAILED))
            return None
        if (run := self._still(taken)) is None:
            return None
        ended = self._why_not(run, live)
        if ended is not None:
            await self.leave(live, run, *ended, by=By.DISPATCH)
            return None
        expires_ns = self._clock.now_ns() + run.life_left_ns
        token = self._sessions.renew(live, expires_ns)
        body = bodies.RunClaimed(run_id=run.run_id, epoch=run.epoch, worker=run.worker)
        record = self._journal.record(body, live.who)
        await self._journal.commit([record], [run, live.session])
        return Claimed(run, token)

    def _why_not(self, run: Run, live: LiveSession) -> tuple[RunState, str] | None:
        state, now_ns = live.session.state, self._clock.now_ns()
        if state is SessionState.PAUSED:
            return RunState.PARKED, rules.PAUSED
        if state is not SessionState.ACTIVE:
            return _ended_as(live)
        if run.deadline_ns and now_ns >= run.deadline_ns:
            return RunState.FAILED, "deadline_exceeded: the run's deadline passed"
        if run.failures > self._max_activations:
            lost = f"{self._max_activations} activations in a row ended without progress"
            return RunState.DEAD, f"worker_lost: {lost}"
        return None

    def heartbeat(self, worker: str, held: Iterable[tuple[str, int]]) -> list[str]:
        """Renew leases; returns the runs that `worker` has to stop at once."""
        lost = []
        until_ns = self._clock.now_ns() + int(self.lease_s * _NS)
        for run_id, epoch in held:
            run = self._queue.at_work(run_id)
            if run is None or run.epoch != epoch or run.worker != worker:
                lost.append(run_id)
                continue
            live = self._sessions.loaded(run.session)
            if live is not None and live.session.state is not SessionState.ACTIVE:
                lost.append(run_id)
            # In memory only: what a server that starts again makes of it stands in `load`.
            self._queue.keep(msgspec.structs.replace(run, lease_until_ns=until_ns))
        return lost

    def held(self, live: LiveSession, epoch: int) -> Run:
        """The run of a session, if this epoch is the one at work. Errors: LeaseLost."""
        run = self.of_session(live.session.session_id)
        if run is None or run.state is not RunState.RUNNING or run.epoch != epoch:
            raise LeaseLost("this run was given to another worker, or is over", epoch=epoch)
        return run

    def progressed(self, run: Run) -> Run:
        """Something of this activation goes into the journal: it counts as no failure any more.

        `run` is as it stands here, with what else became known of it; returned is how it is kept.
        """
        if run.failures:
            run = msgspec.structs.replace(run, failures=0)
        if run is not self.find(run.run_id):
            self._keep(run)
        return run

    def got_on(self, session_id: str) -> list[Run]:
        """What a session's tool reports is progress, too: how its run is to be kept with that."""
        run = self.of_session(session_id)
        if run is None or run.state is not RunState.RUNNING or not run.failures:
            return []
        return [self.progressed(run)]

    def hasten(self, session_id: str) -> list[Run]:
        """The run of a session is due at once, where it was held back: how it is to be kept."""
        run = self.of_session(session_id)
        if run is None or run.state is not RunState.DELAYED:
            return []
        due = msgspec.structs.replace(run, not_before_ns=0)
        self._keep(due)
        self._claimants.pump()
        return [due]

    def leave(
        self,
        live: LiveSession,
        run: Run,
        state: RunState,
        reason: str,
        *,
        by: By = By.WORKER,
        delay_s: float = 0.0,
        result: object = None,
        records: Iterable[Record] = (),
    ) -> asyncio.Future[None]:
        """End an activation; durable once awaited. A run that is over ends its session."""
        now_ns = self._clock.now_ns()
        # A worker that says so was not lost.
        fields: dict[str, object] = {"failures": 0}
        if state is RunState.DELAYED:
            fields["not_before_ns"] = now_ns + int(delay_s * _NS)
        if state is RunState.DONE:
            fields["result"] = result
        if state in rules.OVER:
            fields["life_left_ns"] = 0
        else:
            fields["life_left_ns"] = life_left_ns(live.session, now_ns)
            self._sessions.let_wait(live, now_ns + WAITING_LIFE_NS)
        left = self._moved(run, state, by, reason, **fields)
        given = [*records, self._record(live, left, reason)]
        command = Command.END if state is RunState.DONE else Command.STOP
        if state in rules.OVER and after(live.session, command) is not None:
            durable = self._sessions.change(
                live, command, reason or "done", extra=given, also=[left]
            )
        else:
            durable = self._journal.commit(given, [left, live.session])
        self._keep(left)
        self._claimants.pump()
        if left.state not in rules.OPEN:
            self._resting.append((now_ns + int(self._rest_s * _NS), live))
        return durable

    def _let_go(self, now_ns: int) -> None:
        """What waits for a person keeps nothing resident; it is read again when asked for.

        Only after a while: whoever holds the session in the middle of an act has ended it by then.
        """
        while self._resting and self._resting[0][0] <= now_ns:
            _, live = self._resting.popleft()
            waits = self.of_session(live.session.session_id) is None
            busy = live.streams or live.deciding or live.children
            if waits and not busy and self._sessions.loaded(live.session.session_id) is live:
                self._sessions.forget(live)

    def tick(self) -> None:
        """Take back what lost its lease, and end what cannot go on. Queues; waits for nothing."""
        now_ns = self._clock.now_ns()
        self._let_go(now_ns)
        for session_id in tuple(islice(self._over, _ENDED_A_TICK)):
            live, run = self._over.pop(session_id), self.of_session(session_id)
            if run is not None:
                noted(self.leave(live, run, *_ended_as(live), by=By.DISPATCH))
        for run in self._queue.lapsed(now_ns):
            self._recover(run, self._sessions.loaded(run.session))
        # A run that was held back becomes due by the clock alone.
        self._claimants.pump()

    def _recover(self, run: Run, live: LiveSession | None) -> None:
        queued = self._moved(run, RunState.QUEUED, By.DISPATCH, "its worker was lost")
        records: list[Record] = []
        changes: list[Run] = [queued]
        if live is not None:
            records = [self._record(live, queued, queued.reason)]
        noted(self._journal.commit(records, changes))
        self._keep(queued)
        self._claimants.pump()

    def _moved(self, run: Run, state: RunState, by: By, reason: str, **fields: object) -> Run:
        """Errors: IllegalMove."""
        rules.check_move(run, state, by)
        return self._unheld(run, state, reason, **fields)

    def _unheld(self, run: Run, state: RunState, reason: str, **fields: object) -> Run:
        """The run as nobody has it any more."""
        return msgspec.structs.replace(
            run,
            state=state,
            reason=reason[:500],
            changed_at_ns=self._clock.now_ns(),
            worker="",
            worker_process="",
            lease_until_ns=0,
            parked_for=run.parked_for if state is RunState.PARKED else "",
            **fields,
        )

    def _record(self, live: LiveSession, run: Run, reason: str) -> Record:
        name, why = run.run_id, reason[:2000]
        body: bodies.RunMoved
        if run.state is RunState.DELAYED:
            body = bodies.RunDelayed(run_id=name, reason=why, not_before_ns=run.not_before_ns)
        elif run.state is RunState.DONE:
            body = bodies.RunDone(run_id=name, reason=why, result=run.result)
        else:
            body = _RECORDED[run.state](run_id=name, reason=why)
        return self._journal.record(body, live.who)


def _ended_as(live: LiveSession) -> tuple[RunState, str]:
    """What the end of its session makes of a run: a limit fails it, a person cancels it."""
    state = live.session.state
    by_limit = state in (SessionState.STOPPED, SessionState.EXPIRED)
    why = f"the session is {state}: {live.session.state_reason}"
    return (RunState.FAILED if by_limit else RunState.CANCELLED), why
