"""Who may let go on what waits for a person: the approvers that the configuration names.

A tenant, a project and an agent may each name some. Whoever acts has to stand in every list that
is given, so that an agent can only narrow what its tenant says. Where none is given any operator
may, but nobody lifts what binds themselves (`binding`), and nobody but the admin raises a cap, puts
rules in force or says whose files are trusted. Where every approver is bound, the admin may act.
Not here: what waits (`runtime/dispatch`), which verbs there are (`acts`).
"""

from collections.abc import Sequence

from holdfast.apps.control.binding import Place, stands_for, what_binds
from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.lifters import lists_within
from holdfast.apps.control.operator_file import ADMIN
from holdfast.apps.control.roles import is_admin
from holdfast.core.sessions import is_held
from holdfast.errors import ApproverRequired, Denied
from holdfast.model.bodies import AuthRefused
from holdfast.model.operators import Role, reaches
from holdfast.model.runs import Run, RunState
from holdfast.model.stops import Reach
from holdfast.ports.store import RunFilter

WAITING = (RunState.PARKED, RunState.DEAD)
_MOST_NAMED = 3


async def check_run(deps: ControlDeps, run: Run, by: str, action: str) -> None:
    """Pass whoever may let this run go on; a run that waits for nobody needs no approver.

    Errors: ApproverRequired, journalled.
    """
    if run.state in WAITING:
        await check_session(deps, run.session, by, action)


async def check_again(deps: ControlDeps, run: Run, by: str, action: str) -> None:
    """As `check_run`; and what began under other settings is nobody's own to begin once more.

    Errors: ApproverRequired, journalled.
    """
    session = (await deps.house.sessions.get(run.session)).session
    if run.state in WAITING or session.config_version != deps.config.version:
        await check_session(deps, run.session, by, action)


async def check_session(
    deps: ControlDeps, session_id: str, by: str, action: str, *, raises: bool = False
) -> None:
    """Pass whoever may let this session go on; `raises` a cap of it.

    Errors: ApproverRequired, NotFound.
    """
    who = (await deps.house.sessions.get(session_id)).who
    found = await deps.house.runs.listed(RunFilter(session=session_id, limit=1))
    own = found[0].plan.approvers if found else ()
    place = Place(who.tenant, who.project, who.agent, who.user, who.task)
    await check(deps, place, by, action, session=session_id, own=own, otherwise_admin=raises)


async def check_continuing(deps: ControlDeps, session_id: str, by: str) -> None:
    """Pass whoever may let the conversation of this session go on in another one.

    What a person paused or killed is held, whatever ended it since. Errors: ApproverRequired.
    """
    session = await deps.house.store.session(session_id) if session_id else None
    if session is not None and is_held(session):
        await check_session(deps, session_id, by, "session.continue")


async def check_opening(deps: ControlDeps, by: str, action: str, *, tenant: str, user: str) -> None:
    """Pass the admin, and an operator who is this user. Errors: Denied, journalled."""
    if is_admin(deps, by) or stands_for(deps.config, by, tenant, user):
        return
    why = f"`{by}` is not the user `{user}` of `{tenant}`"
    body = AuthRefused(why=why, by=by, action=action)
    await deps.house.journal.refused(body, None, tenant=tenant, user=user)
    raise Denied(
        f"{why}, and opens nothing for them: the admin does, or whom `operators.{by}.users` in"
        " holdfast.yaml names",
        by=by,
        action=action,
    )


async def check_lifting(deps: ControlDeps, part: Reach, by: str) -> None:
    """Pass whoever may let go on all that a stop of this part holds, whosever it is.

    Errors: ApproverRequired; Denied, where it holds several tenants; both journalled.
    """
    if not part.tenant:
        await admin_alone(deps, by, "stop.resume", "it holds what is of several tenants")
        return
    place = Place(part.tenant, part.project, part.agent, part.user)
    await check(deps, place, by, "stop.resume", lists=lists_within(deps.config, part))


async def check(
    deps: ControlDeps,
    place: Place,
    by: str,
    action: str,
    *,
    session: str = "",
    own: Sequence[str] = (),
    lists: Sequence[Sequence[str]] = (),
    otherwise_admin: bool = False,
) -> None:
    """Pass whoever stands in every list that is given, and is not bound by what is let go.

    `own` are approvers that an agent brought with it; `lists` stand in place of those of `place`;
    `otherwise_admin`: where no list is given, it is the admin's alone. Errors: ApproverRequired,
    journalled.
    """
    held = lists or lists_of(deps, place.tenant, place.project, place.agent, own)
    given = [names for names in held if names]
    fault = await _fault(deps, place, by, given, otherwise_admin=otherwise_admin)
    if not fault:
        return
    body = AuthRefused(why=fault, by=by, action=action)
    flat = {
        "tenant": place.tenant,
        "project": place.project,
        "agent": place.agent,
        "session": session,
    }
    await deps.house.journal.refused(body, None, **flat)
    raise ApproverRequired(fault, by=by, action=action)


async def _fault(
    deps: ControlDeps,
    place: Place,
    by: str,
    lists: Sequence[Sequence[str]],
    *,
    otherwise_admin: bool,
) -> str:
    listed = all(by in names for names in lists)
    if by == ADMIN:
        if listed or not await _free(deps, place, lists):
            return ""
        return f"`{by}` is not among the operators who may let this go on"
    if not listed and not (is_admin(deps, by) and not await _free(deps, place, lists)):
        return f"`{by}` is not among the operators who may let this go on"
    if binds := await what_binds(deps, by, place):
        others = [one for one in await _free(deps, place, lists) if not otherwise_admin or lists]
        named = ", ".join(f"`{one}`" for one in others[:_MOST_NAMED])
        return (
            f"`{by}` cannot lift what binds themselves ({binds}): another person has to,"
            f" {named or 'the admin'}"
        )
    if otherwise_admin and not lists and not is_admin(deps, by):
        return f"`{by}` raises no cap: only the admin does, or `approvers` named in holdfast.yaml"
    return ""


async def _free(deps: ControlDeps, place: Place, lists: Sequence[Sequence[str]]) -> list[str]:
    """The operators who stand in every list, may act there, and are not bound by what is let go."""
    names = [
        one.name
        for one in deps.operators.all()
        if one.role is not Role.VIEWER and reaches(one.within, place.tenant, place.project)
    ]
    listed = [name for name in names if all(name in one for one in lists)]
    return [name for name in listed if not await what_binds(deps, name, place)]


async def admin_alone(deps: ControlDeps, by: str, action: str, why: str) -> None:
    """Pass the admin. Errors: Denied, journalled, for everybody else."""
    if is_admin(deps, by):
        return
    body = AuthRefused(why=f"`{by}` is not the admin: {why}", by=by, action=action)
    await deps.house.journal.refused(body, None)
    raise Denied(f"only the admin may: {why}", by=by, action=action)


def lists_of(
    deps: ControlDeps, tenant: str, project: str, agent: str, own: Sequence[str] = ()
) -> tuple[Sequence[str], ...]:
    """The lists of approvers that hold for a session; an empty one names nobody in particular."""
    owner = deps.config.tenants.get(tenant)
    share = owner.projects.get(project) if owner is not None else None
    known = deps.config.agents.get(agent)
    return (
        owner.approvers if owner is not None else (),
        share.approvers if share is not None else (),
        (known.approvers if known is not None else ()) or own,
    )
