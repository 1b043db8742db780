"""`/v1/runs`, `/v1/dlq`, `/v1/effects`: submit, look, do again, branch, settle."""

from typing import Annotated

from msgspec import Meta

from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.operations import By, Operations
from holdfast.apps.control.runs import service
from holdfast.apps.control.runs.schemas import (
    Fork,
    Resolve,
    Submit,
    WhichDead,
    WhichEffects,
    WhichRuns,
    Why,
)
from holdfast.apps.control.sessions.schemas import OpenSession
from holdfast.core.repeats import Named
from holdfast.model.effects import EffectEntry
from holdfast.model.views.runs import EffectList, RunEngine, RunList, RunView

operations = Operations("/v1", "runs")
RunId = Annotated[str, Meta(max_length=64)]
_CHANGES = (404, 409)
_UNSAID = Why()


@operations.post("/runs", 404)
async def submit_run(asked: Submit, deps: ControlDeps, by: By, named: Named) -> RunView:
    """Queue a run for the workers."""
    return await service.submit(deps, asked, by, named)


@operations.post("/runs/plan", 404)
async def plan_run(asked: OpenSession, deps: ControlDeps) -> RunEngine:
    """Which loop an agent is for, and how a batch is cut; nothing is opened."""
    return service.plan(deps, asked)


@operations.get("/runs")
async def list_runs(which: WhichRuns, deps: ControlDeps) -> RunList:
    """Runs, newest first; without what their sessions used."""
    return await service.listed(deps, which)


@operations.get("/runs/{run_id}", 404)
async def show_run(run_id: RunId, deps: ControlDeps) -> RunView:
    """One run as it stands."""
    return await service.show_run(deps, run_id)


@operations.post("/runs/{run_id}/retry", *_CHANGES)
async def retry_run(
    run_id: RunId, deps: ControlDeps, by: By, named: Named, why: Why = _UNSAID
) -> RunView:
    """Do it again from its prompt; what was done in its task is not done twice."""
    return await service.retry(deps, run_id, why.reason, by, named)


@operations.post("/runs/{run_id}/fork", *_CHANGES)
async def fork_run(run_id: RunId, asked: Fork, deps: ControlDeps, by: By, named: Named) -> RunView:
    """A new run that knows its first turns."""
    return await service.fork(deps, run_id, asked, by, named)


@operations.post("/runs/{run_id}/cancel", *_CHANGES)
async def cancel_run(run_id: RunId, deps: ControlDeps, by: By, why: Why = _UNSAID) -> RunView:
    """End it for good."""
    return await service.cancel(deps, run_id, why.reason, by)


@operations.post("/runs/{run_id}/resume", *_CHANGES)
async def resume_run(run_id: RunId, deps: ControlDeps, by: By, why: Why = _UNSAID) -> RunView:
    """Queue a run again that waits for a person."""
    return await service.resume(deps, run_id, why.reason, by)


@operations.get("/dlq")
async def list_dead_letters(which: WhichDead, deps: ControlDeps) -> RunList:
    """Every run that waits for a person, with its unknown effects."""
    return await service.dead_letters(deps, which)


@operations.get("/dlq/effects")
async def list_unknown_effects(which: WhichDead, deps: ControlDeps) -> EffectList:
    """Every effect that nobody knows the outcome of, of runs and sessions, newest first."""
    return await service.unknown(deps, which)


@operations.post("/dlq/{run_id}/redrive", *_CHANGES)
async def redrive_dead_letter(
    run_id: RunId, deps: ControlDeps, by: By, why: Why = _UNSAID
) -> RunView:
    """Queue it again, where it stopped."""
    return await service.resume(deps, run_id, why.reason, by)


@operations.post("/dlq/{run_id}/discard", *_CHANGES)
async def discard_dead_letter(
    run_id: RunId, deps: ControlDeps, by: By, why: Why = _UNSAID
) -> RunView:
    """Give it up; its journal stays."""
    return await service.cancel(deps, run_id, why.reason or "discarded by the operator", by)


@operations.get("/effects", 404)
async def list_effects(which: WhichEffects, deps: ControlDeps) -> EffectList:
    """The effects ledger of one session."""
    return await service.effects(deps, which)


@operations.post("/effects/resolve", *_CHANGES)
async def resolve_effect(asked: Resolve, deps: ControlDeps, by: By) -> EffectEntry:
    """Say what became of an unknown effect."""
    return await service.resolve(deps, asked, by)
