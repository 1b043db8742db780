"""Runs as their owners and workers see them: submitted, resumed, done again, branched, read.

Not here: who works at which (`runtime/dispatch`), what the loop makes of it (`core/loop`).
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from holdfast.core import runs as rules
from holdfast.core.context import ContextSettings
from holdfast.core.loop import FOLDED, Conversation
from holdfast.core.repeats import ANEW, Named
from holdfast.core.sessions import Command, after
from holdfast.errors import Conflict, InvalidRequest, NotFound
from holdfast.model import bodies
from holdfast.model.budgets import Refused
from holdfast.model.effects import EffectEntry, EffectState
from holdfast.model.events import Kind, Record
from holdfast.model.runs import Run, RunPlan, RunState
from holdfast.model.sessions import Session, SessionState
from holdfast.ports.store import Change, RecordFilter, RunFilter, Store
from holdfast.runtime.dispatch import WAITING_LIFE_NS, Dispatch
from holdfast.runtime.effects import Effects
from holdfast.runtime.live import LiveSession
from holdfast.runtime.services import Services
from holdfast.runtime.sessions import Begun

PAGE = 500
APPENDED = frozenset(
    {
        Kind.RUN_ANSWERED,
        Kind.RUN_TOOL_ANSWERED,
        Kind.RUN_NOTED,
        Kind.RUN_JUDGED,
        Kind.RUN_COMPACTED,
        Kind.RUN_RETRYING,
    }
)
"""What a worker may write; every other record is the server's own."""


Said = Callable[[LiveSession, Run], Record]
"""Who asked for a run, as a record of it."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for; `deadline_s` 0 is none."""

    prompt: str
    plan: RunPlan
    priority: int = 0
    deadline_s: int = 0
    batch: str = ""
    retry_of: str = ""
    fork_turn: int = 0


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One record that a worker asks to be written."""

    kind: Kind
    turn: int = 0
    call_id: str = ""
    tool: str = ""
    body: dict[str, Any] = {}


StoppedAt = Callable[[LiveSession, Refused], Awaitable[bool]]
"""Somebody is asked about a cap that stops a run; whether they raised it already."""


async def _nobody_asks(_: LiveSession, __: Refused) -> bool:
    return False


class Runs:
    """Every run of this server."""

    def __init__(self, services: Services, store: Store, dispatch: Dispatch) -> None:
        self._sessions = services.sessions
        self._effects: Effects = services.effects
        self._journal = services.journal
        self._clock = services.clock
        self._entropy = services.entropy
        self._store = store
        self._dispatch = dispatch
        self.stopped_at: StoppedAt = _nobody_asks

    async def submit(
        self, draft: Session, order: Order, named: Named = ANEW, said: Said | None = None
    ) -> Run:
        """Open a session for a run and queue it, in one commit; durable on return.

        The draft's `expires_at_ns` is the wall clock that the run may be worked at. `named` is how
        both are called, `said` what else is recorded with them.
        """
        life_ns = draft.expires_at_ns
        # A spent cap parks the run itself.
        waiting = msgspec.structs.replace(
            draft, expires_at_ns=WAITING_LIFE_NS, parks=False, has_run=True
        )
        queued: list[Run] = []

        def begun(live: LiveSession) -> tuple[list[Record], list[Change]]:
            run_id = named.run_id or self._entropy.new_id("run")
            run = self._dispatch.born(self._drafted(live, order, life_ns, run_id))
            queued.append(run)
            told = [said(live, run)] if said is not None else []
            return [*self._submitted(live, run), *told], [run]

        # The token is shown to nobody: each activation gets its own.
        live, _ = await self._sessions.open(waiting, begun, named)
        # What the operator and the user wrote is vouched for, as a typed prompt is.
        live.vouched.trust(order.prompt)
        self._dispatch.put(queued[0])
        return queued[0]

    def as_child(self, order: Order, queued: list[Run]) -> Callable[[int], Begun]:
        """What begins with a child that is a run of its own; it is put into `queued`.

        Whoever opens it hands the run out (`put`) once it is durable. Its prompt vouches for
        nothing: a model wrote it.
        """

        def living(life_ns: int) -> Begun:
            def begun(live: LiveSession) -> tuple[list[Record], list[Change]]:
                drafted = self._drafted(live, order, life_ns, self._entropy.new_id("run"))
                queued.append(self._dispatch.born(drafted))
                return self._submitted(live, queued[0], vouched=False), [queued[0]]

            return begun

        return living

    async def child_of(self, live: LiveSession, call_id: str) -> Run | None:
        """The run that a call of this session started, as it stands; None where it started none."""
        where = RecordFilter(
            tenant=live.who.tenant,
            session=live.session.session_id,
            kinds=(Kind.SESSION_DELEGATED,),
            limit=PAGE,
        )
        for record in await self._store.records(where):
            if record.call_id == call_id:
                child = bodies.SessionDelegated.of(record).child
                if (run := self._dispatch.of_session(child)) is not None:
                    return run
                found = await self._store.runs(RunFilter(session=child, limit=1))
                return found[0] if found else None
        return None

    def _drafted(self, live: LiveSession, order: Order, life_ns: int, run_id: str) -> Run:
        who, now_ns = live.who, self._clock.now_ns()
        return Run(
            run_id=run_id,
            session=who.session,
            tenant=who.tenant,
            project=who.project,
            user=who.user,
            agent=who.agent,
            state=RunState.QUEUED,
            prompt=order.prompt,
            plan=order.plan,
            submitted_at_ns=now_ns,
            changed_at_ns=now_ns,
            priority=order.priority,
            deadline_ns=now_ns + order.deadline_s * 1_000_000_000 if order.deadline_s else 0,
            life_left_ns=life_ns,
            retry_of=order.retry_of,
            fork_turn=order.fork_turn,
            batch=order.batch,
        )

    def _submitted(self, live: LiveSession, run: Run, *, vouched: bool = True) -> list[Record]:
        submitted = bodies.RunSubmitted(
            run_id=run.run_id,
            prompt=run.prompt,
            task_text=run.plan.task_text,
            system_prompt=run.plan.system_prompt,
            retry_of=run.retry_of,
            fork_turn=run.fork_turn,
        )
        prompted = bodies.PromptSubmitted(text=run.prompt[:20_000], vouched=vouched)
        return [self._journal.record(body, live.who) for body in (submitted, prompted)]

    async def get(self, run_id: str) -> Run:
        """A run as it stands. Errors: NotFound."""
        run = self._dispatch.find(run_id) or await self._store.run(run_id)
        if run is None:
            raise NotFound(f"no run `{run_id[:64]}`")
        return run

    async def listed(self, where: RunFilter) -> list[Run]:
        """Runs, newest first; those in the queue as they stand now."""
        return [self._dispatch.find(r.run_id) or r for r in await self._store.runs(where)]

    async def draft_of(self, run: Run) -> Session:
        """The draft of a session like the run's own, for the same task. Errors: NotFound."""
        session = await self._store.session(run.session)
        if session is None:
            raise NotFound(f"the session of `{run.run_id}` is gone")
        life_ns = session.loop.wall_clock_s * 1_000_000_000
        return msgspec.structs.replace(session, session_id="", expires_at_ns=life_ns, parent="")

    async def retry(self, run: Run, named: Named = ANEW, said: Said | None = None) -> Run:
        """The same again from its prompt; what was done in its task is not done twice.

        Errors: Conflict while it is open.
        """
        if run.state not in rules.OVER and run.state is not RunState.DEAD:
            raise Conflict(f"a run that is {run.state} is not done again", state=run.state)
        await self._over(run, "done again")
        order = Order(prompt=run.prompt, plan=run.plan, retry_of=run.run_id, batch=run.batch)
        return await self.submit(await self.draft_of(run), order, named, said)

    async def fork(
        self,
        run: Run,
        turn: int,
        prompt: str = "",
        named: Named = ANEW,
        said: Said | None = None,
    ) -> Run:
        """A new run that knows the first `turn` turns of this one.

        Errors: InvalidRequest for a turn that it did not have.
        """
        told = await self.history(run)
        turns = max((r.turn for r in told if r.kind is Kind.RUN_ANSWERED), default=0)
        if not 1 <= turn <= turns:
            raise InvalidRequest(f"the run has turns 1 to {turns}", field="turn")
        draft = await self.draft_of(run)
        draft = msgspec.structs.replace(draft, parent=run.session)
        order = Order(
            prompt=prompt or run.prompt, plan=run.plan, retry_of=run.run_id, fork_turn=turn
        )
        return await self.submit(draft, order, named, said)

    async def resume(self, run: Run, reason: str) -> Run:
        """Queue a parked or dead run again. Errors: Conflict."""
        if run.state not in (RunState.PARKED, RunState.DEAD):
            raise Conflict(f"a run that is {run.state} waits for nobody", state=run.state)
        live = await self._sessions.get(run.session)
        if live.session.state is SessionState.PAUSED:
            raise Conflict("its session is paused; resume the session first", state="paused")
        if live.session.state is not SessionState.ACTIVE:
            raise Conflict(f"its session is {live.session.state}", state=live.session.state)
        await self._dispatch.enqueue(msgspec.structs.replace(run, failures=0), reason=reason)
        return await self.get(run.run_id)

    async def cancel(self, run: Run, reason: str) -> Run:
        """End a run for good. Errors: Conflict when it is over."""
        if run.state in rules.OVER:
            raise Conflict(f"the run is {run.state}", state=run.state)
        await self._over(run, reason)
        return await self.get(run.run_id)

    async def _over(self, run: Run, reason: str) -> None:
        if run.state in rules.OVER:
            return
        live = await self._sessions.get(run.session)
        await self._dispatch.leave(live, run, RunState.CANCELLED, reason, by=rules.By.PERSON)

    async def session_resumed(self, live: LiveSession) -> None:
        """A paused session goes on: so does its run, if a pause parked it."""
        if self._dispatch.of_session(live.session.session_id) is not None:
            return
        where = RunFilter(session=live.session.session_id, states=(RunState.PARKED,), limit=1)
        for run in await self._store.runs(where):
            await self._dispatch.enqueue(run, reason="the session was resumed")

    async def stop_lifted(self, session_id: str) -> None:
        """A session that a stop held goes on: so does its run, where that is why it waits."""
        if self._dispatch.of_session(session_id) is None:
            where = RunFilter(session=session_id, states=(RunState.PARKED,), limit=1)
            for run in await self._store.runs(where):
                if run.reason == rules.PAUSED:
                    await self._dispatch.enqueue(run, reason="no stop holds its session any more")

    async def unknown_effects(self, run: Run) -> list[EffectEntry]:
        """Effects of its session that nobody knows the outcome of."""
        entries = await self._store.effects(run.session)
        return [entry for entry in entries if entry.state is EffectState.UNKNOWN]

    async def so_far(self, run: Run, most: int) -> str:
        """What it said and what its calls came to, at most so many characters."""
        return Conversation(await self.history(run)).so_far(most)

    async def history(self, run: Run) -> list[Record]:
        """Everything that the loop folds, of this run and of the turns it branched from."""
        own = await self._folded(run)
        if not run.fork_turn or not run.retry_of:
            return own
        before = await self.history(await self.get(run.retry_of))
        kept = [r for r in before if r.kind is Kind.RUN_SUBMITTED or 0 < r.turn <= run.fork_turn]
        return [*kept, *own]

    async def _folded(self, run: Run) -> list[Record]:
        found: list[Record] = []
        while True:
            where = RecordFilter(
                tenant=run.tenant,
                session=run.session,
                kinds=FOLDED,
                after_seq=found[-1].seq if found else 0,
                limit=PAGE,
            )
            page = await self._store.records(where)
            found += page
            if len(page) < PAGE:
                return found

    async def append(self, live: LiveSession, epoch: int, events: Sequence[Event]) -> list[Record]:
        """Write what a worker says; durable on return, as it stands in the journal.

        Errors: LeaseLost, InvalidRequest for a kind that is the server's own or a body that is odd.
        """
        run = self._dispatch.held(live, epoch)
        self._sessions.check_live(live)
        for event in events:
            if event.kind not in APPENDED:
                raise InvalidRequest(f"`{event.kind}` is not for a worker to write", field="kind")
            if odd := bodies.BODIES[event.kind].misfit(event.body):
                raise InvalidRequest(f"`{odd}` of `{event.kind}` does not fit", field=odd)
        records = [
            self._journal.record_as_told(
                event.kind,
                live.who,
                event.body,
                turn=event.turn,
                call_id=event.call_id[:200],
                tool=event.tool[:200],
            )
            for event in events
        ]
        used = _with_use(run, events)
        if any(event.kind is not Kind.RUN_RETRYING for event in events):
            used = self._dispatch.progressed(used)
        told = self._use_alerts(live, run, used)
        # What forgives the workers that were lost before is as durable as the progress itself.
        changed = [used] if told or used.failures != run.failures else []
        durable = self._journal.commit([*records, *told], changed)
        for record in records:
            if record.kind is Kind.RUN_TOOL_ANSWERED:
                live.answers[record.call_id] = bodies.RunToolAnswered.of(record).content
        await durable
        return records

    def _use_alerts(self, live: LiveSession, before: Run, run: Run) -> list[Record]:
        """Once a run: that its context is as full as the agent's `alert_percent`."""
        if not run.context_alerted or before.context_alerted:
            return []
        body = bodies.ContextAlert(
            run_id=run.run_id, percent=run.context_percent, threshold=_alert_percent(run)
        )
        return [self._journal.record(body, live.who)]

    async def leave(
        self,
        live: LiveSession,
        epoch: int,
        state: RunState,
        reason: str,
        *,
        delay_s: float = 0.0,
        result: Any = None,
    ) -> None:
        """End this activation. Errors: LeaseLost, InvalidRequest for a result that is too large."""
        run = self._dispatch.held(live, epoch)
        if state is RunState.PARKED and (refused := live.refused) is not None:
            if await self.stopped_at(live, refused):
                state = RunState.DELAYED
            run = self._dispatch.held(live, epoch)
            run = msgspec.structs.replace(run, parked_for=str(refused.key))
        await self._dispatch.leave(live, run, state, reason, delay_s=delay_s, result=result)

    def ended_by_session(self, live: LiveSession) -> bool:
        """Whether nothing more can come of the session's run."""
        return after(live.session, Command.END) is None


def _alert_percent(run: Run) -> int:
    return msgspec.convert(run.plan.context, ContextSettings).alert_percent


def _with_use(run: Run, events: Sequence[Event]) -> Run:
    """The run with the use of its context after the last of these answers."""
    answers = [bodies.RunAnswered.read(e.body) for e in events if e.kind is Kind.RUN_ANSWERED]
    percent = answers[-1].context_percent if answers else None
    if percent is None or percent == run.context_percent:
        return run
    alerted = run.context_alerted or percent >= _alert_percent(run)
    return msgspec.structs.replace(run, context_percent=percent, context_alerted=alerted)
