"""From names to a part of the fleet, and who may do what to it; each act leaves `admin.acted`.

Not here: what is done (`runtime/stopping`).
"""

from collections.abc import Iterable

import msgspec

from holdfast.apps.control import approvers
from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.stops.schemas import StopPart, WhichPart
from holdfast.compose.config.problems import quoted, suggestion
from holdfast.errors import InvalidRequest, NotFound
from holdfast.model.bodies import AdminActed
from holdfast.model.stops import Reach
from holdfast.model.users import EVERYONE
from holdfast.model.views.stops import StopReach, StopReceipt


async def reach(deps: ControlDeps, which: WhichPart) -> StopReach:
    """Who is within. Errors: InvalidRequest, NotFound."""
    return await deps.house.stopping.reach(await _known(deps, which))


async def pause(deps: ControlDeps, asked: StopPart, by: str) -> StopReceipt:
    """Errors: InvalidRequest, NotFound for a name that nobody knows, StoreUnavailable."""
    part = await _known(deps, asked)
    _acted(deps, part, "stop.pause", asked.reason, by)
    return await deps.house.stopping.pause(part, asked.reason, by=by)


async def kill(deps: ControlDeps, asked: StopPart, by: str) -> StopReceipt:
    """Errors: as of `pause`."""
    part = await _known(deps, asked)
    # Queued, not awaited: nothing comes before the levers.
    _acted(deps, part, "stop.kill", asked.reason, by)
    return await deps.house.stopping.kill(part, asked.reason, by=by)


async def resume(deps: ControlDeps, asked: StopPart, by: str) -> StopReceipt:
    """Errors: InvalidRequest, Conflict where there is no such stop, Denied, ApproverRequired."""
    part = _named(deps, asked)
    await approvers.check_lifting(deps, part, by)
    _acted(deps, part, "stop.resume", asked.reason, by)
    return await deps.house.stopping.resume(part, asked.reason, by=by)


def _acted(deps: ControlDeps, part: Reach, action: str, reason: str, by: str) -> None:
    body = AdminActed(action=action, by=by, reason=f"{part}: {reason}" if reason else str(part))
    named = msgspec.structs.asdict(part)
    deps.house.journal.queue([deps.house.journal.record(body, None, **named)])


def _named(deps: ControlDeps, which: WhichPart) -> Reach:
    """The part that the names say. Errors: InvalidRequest."""
    tenant, some = which.tenant, (which.tenant, which.project, which.user, which.agent)
    if which.everything and any(some):
        raise InvalidRequest("everything stands alone: name a part, or nothing", field="everything")
    if not which.everything and not any(some):
        raise InvalidRequest("say which part: a tenant, project, user or agent, or everything")
    if not tenant and (which.project or which.user):
        tenants = deps.config.tenants
        if len(tenants) != 1:
            known = suggestion("", tenants)
            raise InvalidRequest(f"a project or a user is of a tenant{known}", field="tenant")
        tenant = next(iter(tenants))
    return Reach(tenant=tenant, project=which.project, user=which.user, agent=which.agent)


async def _known(deps: ControlDeps, which: WhichPart) -> Reach:
    """As `_named`; who mistypes a name in a hurry is told so, and stops nobody else.

    Errors also: NotFound for a name that the settings do not have and no session either.
    """
    part = _named(deps, which)
    fault = _unknown(deps, part)
    standing = deps.house.sessions.stops.find(part) is not None
    if fault and not standing and not (await deps.house.stopping.reach(part)).sessions:
        raise NotFound(f"{fault}, and no session there")
    return part


def _unknown(deps: ControlDeps, part: Reach) -> str:
    """The first name that the settings do not have."""
    config = deps.config
    owner = config.tenants.get(part.tenant)
    if part.tenant and owner is None:
        return _missing("tenant", part.tenant, config.tenants)
    if part.agent and part.agent not in config.agents:
        return _missing("agent", part.agent, config.agents)
    if owner is not None and part.project and part.project not in owner.projects:
        return _missing("project", part.project, owner.projects)
    if owner is not None and part.user and not {part.user, EVERYONE} & set(owner.users):
        return _missing("user", part.user, owner.users)
    return ""


def _missing(noun: str, name: str, known: Iterable[str]) -> str:
    return f"there is no {noun} {quoted(name)}{suggestion(name, known)}"
