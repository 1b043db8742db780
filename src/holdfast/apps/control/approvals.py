"""Who may let go on what waits for a person: the approvers that the configuration names.

A tenant, a project and an agent may each name some. Whoever acts has to stand in every list that
is given, so that an agent can only narrow what its tenant says. Where none is given any operator
may. Not here: what waits (`runtime/dispatch`).
"""

from collections.abc import Sequence

from holdfast.apps.control.deps import ControlDeps
from holdfast.errors import ApproverRequired
from holdfast.model.events import Kind
from holdfast.model.runs import Run, RunState
from holdfast.ports.store import RunFilter

WAITING = (RunState.PARKED, RunState.DEAD)


async def check_run(deps: ControlDeps, run: Run, by: str, action: str) -> None:
    """Pass whoever may let this run go on; a run that waits for nobody needs no approver.

    Errors: ApproverRequired, journalled.
    """
    if run.state in WAITING:
        place = (run.tenant, run.project, run.agent)
        await check(deps, place, by, action, session=run.session, own=run.plan.approvers)


async def check_session(deps: ControlDeps, session_id: str, by: str, action: str) -> None:
    """Pass whoever may let this session go on. Errors: ApproverRequired, NotFound."""
    who = (await deps.sessions.get(session_id)).who
    found = await deps.runs.listed(RunFilter(session=session_id, limit=1))
    own = found[0].plan.approvers if found else ()
    place = (who.tenant, who.project, who.agent)
    await check(deps, place, by, action, session=session_id, own=own)


async def check(
    deps: ControlDeps,
    place: tuple[str, str, str],
    by: str,
    action: str,
    *,
    session: str = "",
    own: Sequence[str] = (),
) -> None:
    """Pass whoever stands in every list that is given.

    `place` is tenant, project and agent, empty where it is above them; `own` are approvers that an
    agent brought with it. Errors: ApproverRequired, journalled.
    """
    if all(by in names for names in _lists(deps, place, own) if names):
        return
    tenant, project, agent = place
    body = {"why": f"`{by}` is no approver of it", "by": by, "action": action}
    flat = {"tenant": tenant, "project": project, "agent": agent, "session": session}
    await deps.journal.refused(Kind.AUTH_REFUSED, None, body, **flat)
    raise ApproverRequired(
        f"`{by}` is not among the operators who may let this go on", by=by, action=action
    )


def _lists(
    deps: ControlDeps, place: tuple[str, str, str], own: Sequence[str]
) -> tuple[Sequence[str], ...]:
    tenant, project, agent = place
    owner = deps.config.tenants.get(tenant)
    share = owner.projects.get(project) if owner is not None else None
    known = deps.config.agents.get(agent)
    return (
        owner.approvers if owner is not None else (),
        share.approvers if share is not None else (),
        (known.approvers if known is not None else ()) or own,
    )
