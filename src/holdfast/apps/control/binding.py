"""Whether an act touches something that binds the one who acts: one answer for every verb.

An operator is some users (`operators` in the settings; without an entry, the user of their own
name): for those they open sessions, and what holds those holds them. Directly that is a session, a
task or a user; and whatever their sessions live in, or could be opened in: a project, a tenant, a
task that others may share. The admin is bound by nothing here. Not here: which verb is of which
kind (`acts`), who may act in whose place (`approvers`).
"""

from typing import NamedTuple

from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.operator_file import ADMIN
from holdfast.compose.config import Config
from holdfast.model.sessions import SessionState
from holdfast.model.users import EVERYONE
from holdfast.ports.store import SessionFilter

_ALIVE = (SessionState.ACTIVE, SessionState.PAUSED)
# Sessions of one user that are looked through for a task; who has more of them is bound by each.
_MOST_LOOKED = 1_000


class Place(NamedTuple):
    """What an act concerns. Without a `user` it is what several may share."""

    tenant: str
    project: str = ""
    agent: str = ""
    user: str = ""
    task: str = ""


def users_of(config: Config, operator: str, tenant: str) -> tuple[str, ...]:
    """The users whom an operator is in a tenant; `*` among them stands for all."""
    person = config.operators.get(operator)
    if person is None:
        return (operator,)
    if person.tenants and tenant not in person.tenants:
        return ()
    return (operator,) if person.users is None else person.users


def stands_for(config: Config, operator: str, tenant: str, user: str) -> bool:
    """Whether an operator is this user, so that sessions may be opened for them."""
    users = users_of(config, operator, tenant)
    return operator == ADMIN or user in users or EVERYONE in users


async def what_binds(deps: ControlDeps, operator: str, place: Place) -> str:
    """How `place` binds an operator, as in "`ann` is bound: …"; empty where it does not.

    Errors: StoreUnavailable.
    """
    if operator == ADMIN:
        return ""
    users = users_of(deps.config, operator, place.tenant)
    if place.user and (place.user in users or EVERYONE in users):
        return f"it is of `{place.user}`"
    if place.user and not place.task:
        return ""
    if not place.user and (shared := _could_open(deps.config, users, place.tenant)):
        return shared
    return await _lives_there(deps, users, place)


def _could_open(config: Config, users: tuple[str, ...], tenant: str) -> str:
    """Whether the settings let one of the users in: what is lifted first is used afterwards."""
    owner = config.tenants.get(tenant)
    if owner is None or not users:
        return ""
    if EVERYONE in users:
        return f"they open sessions for everyone in `{tenant}`"
    found = next((user for user in users if user in owner.users or EVERYONE in owner.users), "")
    return f"it holds `{found}`, whom `{tenant}` lets in" if found else ""


async def _lives_there(deps: ControlDeps, users: tuple[str, ...], place: Place) -> str:
    """Whether a session of theirs is there, whatever the settings say since it was opened."""
    for user in users:
        where = SessionFilter(
            tenant=place.tenant,
            project=place.project if not place.user else "",
            user="" if user == EVERYONE else user,
            states=_ALIVE,
            limit=_MOST_LOOKED,
        )
        found = await deps.house.store.sessions(where)
        for session in found:
            if not place.task or session.principal.task == place.task:
                return f"a session of `{session.principal.user}` is in it"
        if len(found) >= _MOST_LOOKED:
            return f"`{user}` has so many sessions that one may be in it"
    return ""
