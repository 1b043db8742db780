"""How much each reviewer is asked: what waits for them, how they answer, how long they look.

Read from the questions themselves, newest first. Not here: who may answer (`answering`).
"""

from collections import defaultdict
from statistics import median

import msgspec

from holdfast.apps.control.approvals.answering import may_be_asked
from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.operator_file import ADMIN
from holdfast.core.reviewing import reached
from holdfast.model.approvals import Approval, ApprovalState
from holdfast.model.views.approvals import ApprovalLoad, ReviewerLoad
from holdfast.ports.store import ApprovalFilter

LIMIT = 5
"""Pending questions a reviewer that are too many."""

_NS = 1_000_000_000
_PAGE = 1_000
_MOST = 20_000


class _Said(msgspec.Struct):
    """What one person answered: seconds to each answer, and of each look."""

    yes: int = 0
    waits_s: list[float] = []
    looks_s: list[float] = []


async def load_of(deps: ControlDeps, tenant: str, project: str, since_ns: int) -> ApprovalLoad:
    """Everybody who may answer in this place, by name."""
    found, whole = await _since(deps, tenant, project, since_ns)
    said = _said_by(found)
    waiting = _alike([one for one in found if one.state is ApprovalState.PENDING], deps)
    names = [ADMIN, *(one.name for one in deps.operators.all())]
    reviewers = [_of(deps, name, said.get(name, _Said()), waiting) for name in names]
    return ApprovalLoad(
        since_ns=since_ns,
        pending=sum(many for _, many in waiting),
        limit=LIMIT,
        reviewers=tuple(one for one in reviewers if one.pending or one.answered),
        whole=whole,
    )


async def _since(
    deps: ControlDeps, tenant: str, project: str, since_ns: int
) -> tuple[list[Approval], bool]:
    """Questions that were asked since then, newest first; whether these are all."""
    found: list[Approval] = []
    before: tuple[int, str] | None = None
    while len(found) < _MOST:
        where = ApprovalFilter(tenant=tenant, project=project, before=before, limit=_PAGE)
        page = await deps.house.approvals.listed(where)
        found += [one for one in page if one.asked_at_ns >= since_ns]
        if len(page) < _PAGE or page[-1].asked_at_ns < since_ns:
            return found, True
        before = (page[-1].asked_at_ns, page[-1].approval_id)
    return found, False


def _alike(waiting: list[Approval], deps: ControlDeps) -> list[tuple[Approval, int]]:
    """One of each kind of question that is for the same people, and how many there are."""
    now_ns = deps.house.clock.now_ns()
    kinds: dict[object, tuple[Approval, int]] = {}
    for one in waiting:
        place = (one.tenant, one.project, one.agent, one.user)
        said = tuple(yes.by for yes in one.yes)
        kind = (place, one.needs, said, one.delegated, len(reached(one, now_ns)))
        first, many = kinds.get(kind, (one, 0))
        kinds[kind] = (first, many + 1)
    return list(kinds.values())


def _said_by(found: list[Approval]) -> dict[str, _Said]:
    said: dict[str, _Said] = defaultdict(_Said)
    for one in found:
        for yes in one.yes:
            mine = said[yes.by]
            mine.yes += 1
            mine.waits_s.append((yes.at_ns - one.asked_at_ns) / _NS)
            if yes.looked_s:
                mine.looks_s.append(yes.looked_s)
        if one.state is ApprovalState.DENIED:
            said[one.answered_by].waits_s.append((one.changed_at_ns - one.asked_at_ns) / _NS)
    return said


def _of(
    deps: ControlDeps, name: str, said: _Said, waiting: list[tuple[Approval, int]]
) -> ReviewerLoad:
    return ReviewerLoad(
        name=name,
        pending=sum(many for one, many in waiting if may_be_asked(deps, one, name)),
        answered=len(said.waits_s),
        approved=said.yes,
        median_answer_s=median(said.waits_s) if said.waits_s else 0.0,
        median_look_s=median(said.looks_s) if said.looks_s else 0.0,
    )
