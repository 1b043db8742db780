"""Where an operator acts: whoever was named for a tenant or a project acts in no other.

Each verb says here which places it concerns, by what it is called with. One that says nothing
concerns the whole server, and is nobody's who was named for less. Not here: which verb is of which
kind (`acts`), who is bound (`binding`).
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.operator_file import Operator
from holdfast.apps.control.roles import operator_named
from holdfast.errors import Denied, NotFound
from holdfast.model.bodies import AuthRefused
from holdfast.model.budgets import Scope
from holdfast.model.operators import reaches

Given = Mapping[str, Any]


class Place(NamedTuple):
    """What an act concerns; without a project, all of the tenant.

    `hidden` is what whoever acts elsewhere is told in its place, as if it was not there.
    """

    tenant: str
    project: str = ""
    hidden: str = ""


Finder = Callable[[ControlDeps, Given], Awaitable[list[Place]]]


async def _nowhere(_: ControlDeps, __: Given) -> list[Place]:
    """What is of no tenant, and tells nothing of one."""
    return []


async def _session(deps: ControlDeps, session_id: str) -> Place:
    who = (await deps.house.session_views.session(session_id)).principal
    return Place(who.tenant, who.project, f"no session `{session_id[:64]}`")


async def _of_session(deps: ControlDeps, given: Given) -> list[Place]:
    return [await _session(deps, given["session_id"])]


async def _of_run(deps: ControlDeps, given: Given) -> list[Place]:
    run = await deps.house.runs.get(given["run_id"])
    return [Place(run.tenant, run.project, f"no run `{run.run_id}`")]


async def _of_key(deps: ControlDeps, given: Given) -> list[Place]:
    key = deps.house.keys.get(given["name"])
    return [Place(key.tenant, key.project, f"there is no key `{key.name}`")]


async def _of_approval(deps: ControlDeps, given: Given) -> list[Place]:
    asked = await deps.house.approvals.get(given["approval_id"])
    return [Place(asked.tenant, asked.project, f"no approval `{asked.approval_id}`")]


async def _named(deps: ControlDeps, given: Given) -> list[Place]:
    """A request that names tenant and project, or a session that it goes on from."""
    asked = _struct(given)
    found = [Place(asked.tenant, getattr(asked, "project", ""))]
    if parent := getattr(asked, "parent", ""):
        found.append(await _session(deps, parent))
    return found


async def _looked_at(deps: ControlDeps, given: Given) -> list[Place]:
    """A filter: the one session that it names, else what it leaves of a tenant."""
    asked = _struct(given)
    if session := getattr(asked, "session", ""):
        return [await _session(deps, session)]
    return [Place(asked.tenant, getattr(asked, "project", ""))]


async def _of_effect(deps: ControlDeps, given: Given) -> list[Place]:
    asked = _struct(given)
    entry = await deps.house.effects.unknown_of(asked.tenant, asked.key)
    return [await _session(deps, entry.session)]


async def _of_account(deps: ControlDeps, given: Given) -> list[Place]:
    """Whose account it is; those of users and tasks are of all projects of a tenant."""
    asked = _struct(given)
    if session := getattr(asked, "session", ""):
        return [await _session(deps, session)]
    tenant, _, rest = asked.owner.partition("/")
    if asked.scope is Scope.SESSION:
        return [await _session(deps, rest)]
    if asked.scope is Scope.KEY:
        return await _of_key(deps, {"name": rest})
    return [Place(tenant, rest if asked.scope is Scope.PROJECT else "")]


def _struct(given: Given) -> Any:
    """The body or query that a verb was called with."""
    return next(one for one in given.values() if isinstance(one, msgspec.Struct))


PLACES: Mapping[str, Finder] = {
    **dict.fromkeys(("policy_status", "list_upstreams", "show_clock", "await_changes"), _nowhere),
    **dict.fromkeys(("list_sign_ins", "current_sign_in", "link_sign_in", "end_sign_in"), _nowhere),
    **dict.fromkeys(("show_session", "list_turns", "kill_session"), _of_session),
    **dict.fromkeys(
        ("pause_session", "resume_session", "end_session", "extend_session"), _of_session
    ),
    **dict.fromkeys(("show_run", "retry_run", "fork_run", "cancel_run", "resume_run"), _of_run),
    **dict.fromkeys(("redrive_dead_letter", "discard_dead_letter"), _of_run),
    **dict.fromkeys(("show_key", "rotate_key", "revoke_key"), _of_key),
    **dict.fromkeys(("show_approval", "approve_call", "deny_call"), _of_approval),
    **dict.fromkeys(("delegate_call", "revoke_grant"), _of_approval),
    **dict.fromkeys(("open_session", "submit_run", "plan_run", "add_key"), _named),
    **dict.fromkeys(("list_sessions", "list_runs", "list_keys", "list_dead_letters"), _looked_at),
    **dict.fromkeys(("show_fleet",), _looked_at),
    **dict.fromkeys(("list_unknown_effects", "list_records", "ask_audit"), _looked_at),
    **dict.fromkeys(
        ("list_effects", "list_approvals", "list_accounts", "policy_replay"), _looked_at
    ),
    "show_approval_load": _looked_at,
    **dict.fromkeys(("show_reach", "pause_part", "kill_part", "resume_part"), _looked_at),
    **dict.fromkeys(("show_costs", "propose_budgets"), _looked_at),
    "resolve_effect": _of_effect,
    **dict.fromkeys(("show_budgets", "set_budget"), _of_account),
}


async def held_within(name: str, given: Given, deps: ControlDeps, by: str) -> Given:
    """What a verb is called with, completed by the place of whoever acts.

    Errors: Denied, journalled, where that is not theirs; NotFound for what is another's.
    """
    operator = operator_named(deps, by)
    if operator is None or not operator.within:
        return given
    find = PLACES.get(name)
    if find is None:
        raise await _refused(deps, operator, name, "it concerns the whole server")
    asked = {key: _completed(value, operator.within) for key, value in given.items()}
    for place in await find(deps, asked):
        if not reaches(operator.within, place.tenant, place.project):
            raise await _refused(deps, operator, name, _theirs(place), place.hidden)
    return asked


def _theirs(place: Place) -> str:
    where = f"{place.tenant}/{place.project}" if place.project else place.tenant
    return f"it concerns `{where}`" if where else "name a tenant: it concerns all of them"


def _completed(value: Any, within: tuple[str, ...]) -> Any:
    """What names no tenant, or no project, means the operator's own where there is one."""
    if not isinstance(value, msgspec.Struct) or getattr(value, "tenant", None) is None:
        return value
    asked: Any = value
    tenants = {one.partition("/")[0] for one in within}
    changes = {}
    if not asked.tenant and len(tenants) == 1:
        changes["tenant"] = min(tenants)
    tenant = changes.get("tenant", asked.tenant)
    projects = [one.partition("/")[2] for one in within if one.partition("/")[0] == tenant]
    if getattr(asked, "project", None) == "" and len(projects) == 1 and projects[0]:
        changes["project"] = projects[0]
    return msgspec.structs.replace(asked, **changes)


async def _refused(
    deps: ControlDeps, operator: Operator, name: str, what: str, hidden: str = ""
) -> Denied | NotFound:
    """What to raise, once it is journalled."""
    why = f"`{operator.name}` acts within {', '.join(f'`{w}`' for w in operator.within)} alone"
    body = AuthRefused(why=f"{why}: {what}", by=operator.name, action=name)
    await deps.house.journal.refused(body, None)
    return NotFound(hidden) if hidden else Denied(f"{why}: {what}", by=operator.name, action=name)
