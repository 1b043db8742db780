"""`/v1/runs`, `/v1/dlq`, `/v1/effects`: submit, look, do again, branch, settle."""

from typing import Annotated

from fastapi import Body, Path, Query

from holdfast.apps.control.deps import By, Deps
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
from holdfast.apps.control.showing import Routes
from holdfast.apps.control.wire import refusals
from holdfast.model.effects import EffectEntry
from holdfast.model.views.runs import EffectList, RunEngine, RunList, RunView

router = Routes(prefix="/v1", tags=["runs"], responses=refusals())
RunId = Annotated[str, Path(max_length=64)]
Reasoned = Annotated[Why, Body(default_factory=Why)]
_CHANGES = refusals(404, 409)


@router.post("/runs", responses=refusals(404))
async def submit_run(asked: Submit, deps: Deps, by: By) -> RunView:
    """Queue a run for the workers."""
    return await service.submit(deps, asked, by)


@router.post("/runs/plan", responses=refusals(404))
async def plan_run(asked: OpenSession, deps: Deps) -> RunEngine:
    """Which loop an agent is for; nothing is opened."""
    return RunEngine(service.engine(deps, asked))


@router.get("/runs")
async def list_runs(which: Annotated[WhichRuns, Query()], deps: Deps) -> RunList:
    """Runs, newest first; without what their sessions used."""
    return await service.listed(deps, which)


@router.get("/runs/{run_id}", responses=refusals(404))
async def show_run(run_id: RunId, deps: Deps) -> RunView:
    """One run as it stands."""
    return await service.show_run(deps, run_id)


@router.post("/runs/{run_id}/retry", responses=_CHANGES)
async def retry_run(run_id: RunId, why: Reasoned, deps: Deps, by: By) -> RunView:
    """Do it again from its prompt; what was done in its task is not done twice."""
    return await service.retry(deps, run_id, why.reason, by)


@router.post("/runs/{run_id}/fork", responses=_CHANGES)
async def fork_run(run_id: RunId, asked: Fork, deps: Deps, by: By) -> RunView:
    """A new run that knows its first turns."""
    return await service.fork(deps, run_id, asked, by)


@router.post("/runs/{run_id}/cancel", responses=_CHANGES)
async def cancel_run(run_id: RunId, why: Reasoned, deps: Deps, by: By) -> RunView:
    """End it for good."""
    return await service.cancel(deps, run_id, why.reason, by)


@router.post("/runs/{run_id}/resume", responses=_CHANGES)
async def resume_run(run_id: RunId, why: Reasoned, deps: Deps, by: By) -> RunView:
    """Queue a run again that waits for a person."""
    return await service.resume(deps, run_id, why.reason, by)


@router.get("/dlq")
async def list_dead_letters(which: Annotated[WhichDead, Query()], deps: Deps) -> RunList:
    """Every run that waits for a person, with its unknown effects."""
    return await service.dead_letters(deps, which)


@router.post("/dlq/{run_id}/redrive", responses=_CHANGES)
async def redrive_dead_letter(run_id: RunId, why: Reasoned, deps: Deps, by: By) -> RunView:
    """Queue it again, where it stopped."""
    return await service.resume(deps, run_id, why.reason, by)


@router.post("/dlq/{run_id}/discard", responses=_CHANGES)
async def discard_dead_letter(run_id: RunId, why: Reasoned, deps: Deps, by: By) -> RunView:
    """Give it up; its journal stays."""
    return await service.cancel(deps, run_id, why.reason or "discarded by the operator", by)


@router.get("/effects", responses=refusals(404))
async def list_effects(which: Annotated[WhichEffects, Query()], deps: Deps) -> EffectList:
    """The effects ledger of one session."""
    return await service.effects(deps, which)


@router.post("/effects/resolve", responses=_CHANGES)
async def resolve_effect(asked: Resolve, deps: Deps, by: By) -> EffectEntry:
    """Say what became of an unknown effect."""
    return await service.resolve(deps, asked, by)
