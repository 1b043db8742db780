"""Submitting runs, and what an operator does to them; each act leaves `admin.acted`.

Not here: the queue (`runtime/dispatch`), what a run is (`runtime/runs`).
"""

import hashlib

import msgspec

from holdfast.apps.control import approvers
from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.operator_file import ADMIN
from holdfast.apps.control.paging import cursor_of, place_of
from holdfast.apps.control.runs.schemas import (
    Fork,
    Resolve,
    Submit,
    WhichDead,
    WhichEffects,
    WhichRuns,
)
from holdfast.apps.control.sessions import opening
from holdfast.apps.control.sessions.lifting import LIFTS
from holdfast.apps.control.sessions.schemas import OpenSession
from holdfast.compose.native_tools import is_native, run_plan
from holdfast.core.repeats import Named
from holdfast.model.bodies import AdminActed
from holdfast.model.effects import EffectEntry
from holdfast.model.events import Record
from holdfast.model.runs import Run, RunState
from holdfast.model.sessions import Session
from holdfast.model.views.runs import EffectList, RunEngine, RunList, RunView
from holdfast.ports.store import EffectFilter, RunFilter
from holdfast.runtime.live import LiveSession
from holdfast.runtime.runs import Order, Said

_OPENING = ("agent", "agent_file", "user", "tenant", "project", "task", "limits", "scope")


async def submit(deps: ControlDeps, asked: Submit, by: str, named: Named) -> RunView:
    """Queue a run, or find the one that the same request queued.

    Errors: InvalidRequest, ConfigInvalid, NotFound, Denied (as for opening a session), KeyReused,
    StoreUnavailable.
    """
    given = {name: getattr(asked, name) for name in _OPENING}
    plan, lifts = opening.planned(deps.config, OpenSession(**given), at_a_worker=True)
    await approvers.check_opening(deps, by, "run.submit", tenant=plan.tenant, user=plan.user)
    if lifts:
        await approvers.admin_alone(deps, by, "run.submit", LIFTS.format(lifts=lifts))
    deps.house.turns.seen(plan.tenant)
    order = Order(
        prompt=asked.prompt,
        plan=run_plan(deps.config, plan),
        priority=asked.priority,
        deadline_s=asked.deadline_s,
        batch=asked.batch,
    )
    draft = _in_batch(opening.draft(plan, OpenSession(**given)), asked)
    # The run itself tells of its context, once.
    draft = msgspec.structs.replace(draft, context_alert_percent=0)
    said = _said(deps, "run.submit", "", by)
    async with deps.repeats.before(named) as before:
        if before is None:
            run = await deps.house.runs.submit(draft, order, named, said)
        else:
            run = await deps.house.runs.get(named.run_id)
    return await deps.house.run_views.of(run)


def _in_batch(draft: Session, asked: Submit) -> Session:
    """The same chunk of a batch is the same task, so that done again it does nothing twice."""
    task = draft.principal.task
    if not asked.batch or (task and not task.endswith("/")):
        return draft
    digest = hashlib.sha256(asked.prompt.encode()).hexdigest()[:16]
    named = f"{task or 'batch/'}{asked.batch}-{digest}"
    who = msgspec.structs.replace(draft.principal, task=named)
    return msgspec.structs.replace(draft, principal=who)


def plan(deps: ControlDeps, asked: OpenSession) -> RunEngine:
    """Which loop the agent is for. Errors: as for opening a session."""
    native = is_native(deps.config, opening.planned(deps.config, asked).plan)
    kind = deps.config.tasks.get(asked.task.partition("/")[0])
    return RunEngine("native" if native else "claude", kind.chunk if kind is not None else None)


async def listed(deps: ControlDeps, which: WhichRuns) -> RunList:
    """Runs, newest first. Errors: InvalidRequest for a cursor that is none."""
    where = RunFilter(
        tenant=which.tenant,
        project=which.project,
        user=which.user,
        batch=which.batch,
        states=(which.state,) if which.state is not None else (),
        before=place_of(which.cursor),
        limit=which.limit,
    )
    shown, then = await deps.house.run_views.listed(where)
    return RunList(shown, cursor_of(then))


async def dead_letters(deps: ControlDeps, which: WhichDead) -> RunList:
    """Runs that wait for a person, with what each waits for. Errors: as for `listed`."""
    before = place_of(which.cursor)
    where = RunFilter(
        tenant=which.tenant, states=approvers.WAITING, before=before, limit=which.limit
    )
    shown, then = await deps.house.run_views.listed(where, used=True)
    return RunList(shown, cursor_of(then))


async def unknown(deps: ControlDeps, which: WhichDead) -> EffectList:
    """Effects of every session and run that a person has to settle. Errors: as for `listed`."""
    where = EffectFilter(tenant=which.tenant, before=place_of(which.cursor), limit=which.limit + 1)
    found = await deps.house.store.unknown_effects(where)
    page = found[: which.limit]
    then = (page[-1].changed_at_ns, page[-1].key) if len(found) > len(page) else None
    return EffectList(tuple(page), cursor_of(then))


async def show_run(deps: ControlDeps, run_id: str) -> RunView:
    """One run. Errors: NotFound."""
    return await deps.house.run_views.of(await deps.house.runs.get(run_id))


async def retry(deps: ControlDeps, run_id: str, reason: str, by: str, named: Named) -> RunView:
    """The same again, from the prompt.

    Errors: NotFound, Conflict, ApproverRequired, KeyReused.
    """
    run = await deps.house.runs.get(run_id)
    await approvers.check_again(deps, run, by, "run.retry")
    said = _said(deps, "run.retry", reason, by)
    async with deps.repeats.before(named) as before:
        if before is None:
            again = await deps.house.runs.retry(run, named, said)
        else:
            again = await deps.house.runs.get(named.run_id)
    return await deps.house.run_views.of(again)


async def fork(deps: ControlDeps, run_id: str, asked: Fork, by: str, named: Named) -> RunView:
    """A branch after a turn; another prompt than the run's own is work that somebody opens anew.

    Errors: NotFound, InvalidRequest, ApproverRequired, Denied, KeyReused.
    """
    run = await deps.house.runs.get(run_id)
    await approvers.check_again(deps, run, by, "run.fork")
    await approvers.check_continuing(deps, run.session, by)
    if asked.prompt:
        await approvers.check_opening(deps, by, "run.fork", tenant=run.tenant, user=run.user)
    said = _said(deps, "run.fork", asked.reason, by)
    async with deps.repeats.before(named) as before:
        if before is None:
            branch = await deps.house.runs.fork(run, asked.turn, asked.prompt, named, said)
        else:
            branch = await deps.house.runs.get(named.run_id)
    return await deps.house.run_views.of(branch)


async def cancel(deps: ControlDeps, run_id: str, reason: str, by: str) -> RunView:
    """End it for good. Errors: NotFound, Conflict."""
    run = await deps.house.runs.get(run_id)
    await _acted(deps, run, "run.cancel", reason, by)
    return await deps.house.run_views.of(
        await deps.house.runs.cancel(run, reason or "cancelled by the operator")
    )


async def resume(deps: ControlDeps, run_id: str, reason: str, by: str) -> RunView:
    """Queue a parked or dead run again. Errors: NotFound, Conflict, ApproverRequired."""
    run = await deps.house.runs.get(run_id)
    await approvers.check_run(deps, run, by, "run.resume")
    resumed = await deps.house.runs.resume(run, reason)
    await _acted(deps, run, "run.resume", reason, by)
    return await deps.house.run_views.of(resumed)


async def effects(deps: ControlDeps, which: WhichEffects) -> EffectList:
    """The ledger's entries of a session. Errors: NotFound, InvalidRequest as for `listed`."""
    await deps.house.session_views.session(which.session)
    after = place_of(which.cursor) or (-1, "")
    found = [x for x in await deps.house.store.effects(which.session) if _place(x) > after]
    page = found[: which.limit]
    then = _place(page[-1]) if len(found) > len(page) else None
    return EffectList(tuple(page), cursor_of(then))


def _place(entry: EffectEntry) -> tuple[int, str]:
    return entry.intended_at_ns, entry.key


async def resolve(deps: ControlDeps, asked: Resolve, by: str) -> EffectEntry:
    """A person says what became of an effect; the run that waited for it goes on.

    Who has a name of their own says it under that name; the admin says for whom. Errors: NotFound,
    Conflict when it is not unknown, InvalidRequest, ApproverRequired.
    """
    entry = await deps.house.effects.unknown_of(asked.tenant, asked.key)
    where = RunFilter(session=entry.session, states=(RunState.PARKED,), limit=1)
    await approvers.check_session(deps, entry.session, by, "effect.resolve")
    said_by = asked.by if by == ADMIN else by
    live = await deps.house.sessions.get(entry.session, asked.tenant)
    await deps.house.effects.resolve(
        live,
        entry,
        done=asked.outcome == "done",
        output=asked.output,
        by=said_by,
        reason=asked.reason,
    )
    for run in await deps.house.runs.listed(where):
        if not await deps.house.runs.unknown_effects(run):
            await deps.house.runs.resume(run, f"`{entry.tool}` was settled by {said_by}")
    return await deps.house.effects.find(asked.tenant, asked.key) or entry


async def _acted(deps: ControlDeps, run: Run, action: str, reason: str, by: str) -> None:
    live = await deps.house.sessions.get(run.session)
    await deps.house.journal.commit([_said(deps, action, reason, by)(live, run)])


def _said(deps: ControlDeps, action: str, reason: str, by: str) -> Said:
    """The record that somebody did this to a run."""

    def said(live: LiveSession, run: Run) -> Record:
        body = AdminActed(action=action, by=by, reason=reason, run_id=run.run_id)
        return deps.house.journal.record(body, live.who)

    return said
