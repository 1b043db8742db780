"""Who may let go on what waits for a person: the approvers that the configuration names.

A tenant, a project and an agent may each name some. Whoever acts has to stand in every list that
is given, so that an agent can only narrow what its tenant says. Where none is given any operator
may, but nobody lets go on what binds themselves, and nobody but the admin raises a cap, puts rules
in force or says whose files are trusted. Not here: what waits (`runtime/dispatch`).
"""

from collections.abc import Sequence
from typing import NamedTuple

from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.operator_file import ADMIN
from holdfast.errors import ApproverRequired, Denied
from holdfast.model.events import Kind
from holdfast.model.runs import Run, RunState
from holdfast.ports.store import RunFilter

WAITING = (RunState.PARKED, RunState.DEAD)


class Place(NamedTuple):
    """What an act concerns; empty where it is above project, agent or user."""

    tenant: str
    project: str = ""
    agent: str = ""
    user: str = ""


async def check_run(deps: ControlDeps, run: Run, by: str, action: str) -> None:
    """Pass whoever may let this run go on; a run that waits for nobody needs no approver.

    Errors: ApproverRequired, journalled.
    """
    if run.state in WAITING:
        place = Place(run.tenant, run.project, run.agent, run.user)
        await check(deps, place, by, action, session=run.session, own=run.plan.approvers)


async def check_session(
    deps: ControlDeps, session_id: str, by: str, action: str, *, raises: bool = False
) -> None:
    """Pass whoever may let this session go on; `raises` a cap of it.

    Errors: ApproverRequired, NotFound.
    """
    who = (await deps.sessions.get(session_id)).who
    found = await deps.runs.listed(RunFilter(session=session_id, limit=1))
    own = found[0].plan.approvers if found else ()
    place = Place(who.tenant, who.project, who.agent, who.user)
    await check(deps, place, by, action, session=session_id, own=own, otherwise_admin=raises)


async def check(
    deps: ControlDeps,
    place: Place,
    by: str,
    action: str,
    *,
    session: str = "",
    own: Sequence[str] = (),
    otherwise_admin: bool = False,
) -> None:
    """Pass whoever stands in every list that is given, and is not the user whom it binds.

    `own` are approvers that an agent brought with it; `otherwise_admin`: where no list is given, it
    is the admin's alone. Errors: ApproverRequired, journalled.
    """
    fault = _fault(deps, place, by, own, otherwise_admin=otherwise_admin)
    if not fault:
        return
    tenant, project, agent, _ = place
    body = {"why": fault, "by": by, "action": action}
    flat = {"tenant": tenant, "project": project, "agent": agent, "session": session}
    await deps.journal.refused(Kind.AUTH_REFUSED, None, body, **flat)
    raise ApproverRequired(fault, by=by, action=action)


def _fault(
    deps: ControlDeps, place: Place, by: str, own: Sequence[str], *, otherwise_admin: bool
) -> str:
    lists = [names for names in _lists(deps, place, own) if names]
    if not all(by in names for names in lists):
        return f"`{by}` is not among the operators who may let this go on"
    if by == ADMIN:
        return ""
    if by == place.user:
        return f"`{by}` cannot let go on what binds themselves; another operator has to"
    if otherwise_admin and not lists:
        return f"`{by}` raises no cap: only the admin does, or `approvers` named in holdfast.yaml"
    return ""


async def admin_alone(deps: ControlDeps, by: str, action: str, why: str) -> None:
    """Pass the admin. Errors: Denied, journalled, for everybody else."""
    if by == ADMIN:
        return
    body = {"why": f"`{by}` is not the admin: {why}", "by": by, "action": action}
    await deps.journal.refused(Kind.AUTH_REFUSED, None, body)
    raise Denied(f"only the admin may: {why}", by=by, action=action)


def _lists(deps: ControlDeps, place: Place, own: Sequence[str]) -> tuple[Sequence[str], ...]:
    tenant, project, agent, _ = place
    owner = deps.config.tenants.get(tenant)
    share = owner.projects.get(project) if owner is not None else None
    known = deps.config.agents.get(agent)
    return (
        owner.approvers if owner is not None else (),
        share.approvers if share is not None else (),
        (known.approvers if known is not None else ()) or own,
    )
