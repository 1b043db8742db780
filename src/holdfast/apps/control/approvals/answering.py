"""Who may answer a question, and whose voice that is: the one way in for whatever door they use.

The lists of `approvers` and what binds somebody hold here as for all that lets go on what was held.
Rules of the settings name people beside that, the session's own user among them, and whoever may
answer leaves their voice to another. Not here: how many voices it takes (`core/reviewing`).
"""

import msgspec

from holdfast.apps.control import approvers
from holdfast.apps.control.binding import Place, users_of, what_binds
from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.operator_file import ADMIN
from holdfast.apps.control.roles import operator_named, role_of
from holdfast.core import reviewing
from holdfast.core.reviewing import Reviewer
from holdfast.errors import ApproverRequired, Denied, InvalidRequest
from holdfast.model.approvals import OWNER, RAISE, Approval, Need
from holdfast.model.bodies import AuthRefused
from holdfast.model.operators import Role, reaches
from holdfast.runtime.approvals import Handed, Said

_MOST_NAMED = 3


async def answered(deps: ControlDeps, approval_id: str, said: Said) -> Approval:
    """Say yes or no. A no is anybody's who comes in, a yes whose voice it takes.

    Errors: those of `Approvals.answer`; ApproverRequired, journalled.
    """
    asked = await deps.house.approvals.get(approval_id)
    if asked.tool == RAISE:
        raise InvalidRequest("it is about a cap, which is raised to a sum or left as it is")
    if said.approved:
        seats = await seats_of(deps, asked, said.by, "approval.approve")
        said = msgspec.structs.replace(said, seats=seats)
    return await deps.house.approvals.answer(approval_id, said)


async def delegated(deps: ControlDeps, approval_id: str, by: str, to: str) -> Approval:
    """Leave one's voice to another operator, whom the call does not bind.

    Errors: those of `Approvals.delegate`; ApproverRequired, Denied, journalled.
    """
    asked = await deps.house.approvals.get(approval_id)
    seats = await seats_of(deps, asked, by, "approval.delegate")
    if fault := await _cannot_take(deps, asked, to):
        raise await _refused(deps, asked, by, "approval.delegate", fault, Denied)
    return await deps.house.approvals.delegate(approval_id, Handed(by=by, to=to, seats=seats))


async def seats_of(deps: ControlDeps, asked: Approval, by: str, action: str) -> tuple[str, ...]:
    """The voice that somebody has for each need of a question, empty where it has none.

    Errors: ApproverRequired, journalled, where they have none at all.
    """
    needs, age_ns = asked.all_needs, deps.house.clock.now_ns() - asked.asked_at_ns
    named = [reviewing.named(need, age_ns) for need in needs]
    left = reviewing.delegated_to(asked, by)
    one = _reviewer(deps, asked, by)
    if one.owner and any(OWNER in names for names in named):
        return tuple(by if OWNER in names else "" for names in named)
    if any(left):
        if binds := await what_binds(deps, by, _place(asked)):
            fault = f"`{by}` cannot lift what binds themselves ({binds})"
            raise await _refused(deps, asked, by, action, fault, ApproverRequired)
    else:
        await approvers.check_session(deps, asked.session, by, action)
    own = [
        await _has_voice(deps, asked, need, names, one)
        for need, names in zip(needs, named, strict=True)
    ]
    seats = tuple(by if mine else given for mine, given in zip(own, left, strict=True))
    if not any(seats):
        fault = f"`{by}` is not among those whom it is for: {_for_whom(named)}"
        raise await _refused(deps, asked, by, action, fault, ApproverRequired)
    return seats


async def _has_voice(
    deps: ControlDeps, asked: Approval, need: Need, names: tuple[str, ...], one: Reviewer
) -> bool:
    """The admin speaks where too few of those who are named can."""
    if reviewing.fits(names, one):
        return True
    if one.name != ADMIN:
        return False
    free = [
        other.name
        for other in deps.operators.all()
        if other.role is not Role.VIEWER
        and reaches(other.within, asked.tenant, asked.project)
        and reviewing.fits(names, _reviewer(deps, asked, other.name))
        and not await what_binds(deps, other.name, _place(asked))
    ]
    return len(free) < need.quorum


def may_be_asked(deps: ControlDeps, asked: Approval, name: str) -> bool:
    """Whether somebody is among those whom a question is for, as far as names and places say."""
    found, one = operator_named(deps, name), _reviewer(deps, asked, name)
    if found is not None and (
        found.role is Role.VIEWER or not reaches(found.within, asked.tenant, asked.project)
    ):
        return False
    if any(yes.by == name for yes in asked.yes):
        return False
    if any(reviewing.delegated_to(asked, name)):
        return True
    age_ns = deps.house.clock.now_ns() - asked.asked_at_ns
    named = [reviewing.named(need, age_ns) for need in asked.all_needs]
    if one.owner:
        return any(OWNER in names for names in named)
    lists = approvers.lists_of(deps, asked.tenant, asked.project, asked.agent)
    listed = all(name in names for names in lists if names) or name == ADMIN
    return listed and any(reviewing.fits(names, one) for names in named)


def _reviewer(deps: ControlDeps, asked: Approval, name: str) -> Reviewer:
    groups = deps.config.approvals.groups
    own = name != ADMIN and asked.user in users_of(deps.config, name, asked.tenant)
    return Reviewer(
        name=name,
        role=role_of(deps, name) or "",
        groups=frozenset(group for group, names in groups.items() if name in names),
        owner=own,
    )


async def _cannot_take(deps: ControlDeps, asked: Approval, to: str) -> str:
    """Why somebody cannot be left a voice; empty where they can."""
    found = operator_named(deps, to)
    if to != ADMIN and (found is None or found.role is Role.VIEWER):
        return f"`{to}` is no operator who may answer"
    if found is not None and not reaches(found.within, asked.tenant, asked.project):
        return f"`{to}` does not act in `{asked.tenant}/{asked.project}`"
    binds = await what_binds(deps, to, _place(asked))
    return f"`{to}` cannot lift what binds themselves ({binds})" if binds else ""


def _place(asked: Approval) -> Place:
    return Place(asked.tenant, asked.project, asked.agent, asked.user, asked.task)


def _for_whom(named: list[tuple[str, ...]]) -> str:
    each = list(dict.fromkeys(name for names in named for name in names))
    return ", ".join(f"`{one}`" for one in each[:_MOST_NAMED]) or "another person"


async def _refused(
    deps: ControlDeps, asked: Approval, by: str, action: str, fault: str, kind: type[Denied]
) -> Denied:
    """What to raise, once it is journalled."""
    flat = {
        "tenant": asked.tenant,
        "project": asked.project,
        "agent": asked.agent,
        "session": asked.session,
    }
    await deps.house.journal.refused(AuthRefused(why=fault, by=by, action=action), None, **flat)
    return kind(fault, by=by, action=action)
