"""`/v1/approvals`: what waits for a person, and the person's answer.

No token of an agent's session comes in here, and nobody approves for themselves: who may answer is
said by `answering`.
"""

from typing import Annotated

from msgspec import Meta

from holdfast.apps.control.approvals import raising
from holdfast.apps.control.approvals.answering import answered, delegated
from holdfast.apps.control.approvals.load import load_of
from holdfast.apps.control.approvals.schemas import (
    Answer,
    Approve,
    Delegate,
    Revoke,
    WhichApprovals,
    WhoseLoad,
)
from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.operations import By, Operations
from holdfast.apps.control.paging import cursor_of, place_of
from holdfast.core.approvals import OPEN
from holdfast.errors import InvalidRequest
from holdfast.model.approvals import RAISE, Approval, ApprovalState, GrantTerms
from holdfast.model.views.approvals import ApprovalList, ApprovalLoad
from holdfast.ports.store import ApprovalFilter
from holdfast.runtime.approvals import Said

operations = Operations("/v1", "approvals")
ApprovalId = Annotated[str, Meta(max_length=64)]
# What ran out stands in the store as it was left.
_KEPT_AS = {
    ApprovalState.EXPIRED: (*OPEN, ApprovalState.EXPIRED),
}


@operations.get("/approvals")
async def list_approvals(which: WhichApprovals, deps: ControlDeps) -> ApprovalList:
    """Questions to people, newest first; a page may have fewer than its limit."""
    state = which.state
    where = ApprovalFilter(
        tenant=which.tenant,
        project=which.project,
        session=which.session,
        states=() if state is None else _KEPT_AS.get(state, (state,)),
        before=place_of(which.cursor),
        limit=which.limit,
    )
    page = await deps.house.approvals.listed(where)
    shown = tuple(one for one in page if state in (None, one.state))
    last = page[-1] if len(page) == which.limit else None
    then = None if last is None else (last.asked_at_ns, last.approval_id)
    return ApprovalList(shown, cursor_of(then))


@operations.get("/approval-load")
async def show_approval_load(which: WhoseLoad, deps: ControlDeps) -> ApprovalLoad:
    """How much each reviewer is asked, how they answer, and how long they look."""
    since_ns = deps.house.clock.now_ns() - which.last_s * 1_000_000_000
    return await load_of(deps, which.tenant, which.project, since_ns)


@operations.get("/approvals/{approval_id}", 404)
async def show_approval(approval_id: ApprovalId, deps: ControlDeps, by: By) -> Approval:
    """One as it stands, with all that the answer is bound to."""
    found = await deps.house.approvals.get(approval_id)
    deps.house.approvals.looked(found, by)
    return found


@operations.post("/approvals/{approval_id}/approve", 404, 409)
async def approve_call(
    approval_id: ApprovalId, answer: Approve, deps: ControlDeps, by: By
) -> Approval:
    """Let the call run, once, as it was shown; with a grant, calls like it for a while.

    A cap that is asked about is raised, so that what waits for it goes on.
    """
    asked, wanted = await deps.house.approvals.get(approval_id), answer.grant
    if asked.tool == RAISE:
        if wanted is not None:
            raise InvalidRequest("a cap is raised, and not granted", field="grant")
        return await raising.raised(deps, approval_id, answer, by)
    if answer.raise_to is not None:
        raise InvalidRequest("it is about a call, and not about a cap", field="raise_to")
    grant: GrantTerms | None = None
    if wanted is not None:
        grant = GrantTerms(for_s=wanted.for_s, any=tuple(wanted.any), most=wanted.most)
    said = Said(approved=True, by=by, digest=answer.digest, note=answer.note, grant=grant)
    return await answered(deps, approval_id, said)


@operations.post("/approvals/{approval_id}/revoke", 404, 409)
async def revoke_grant(
    approval_id: ApprovalId, asked: Revoke, deps: ControlDeps, by: By
) -> Approval:
    """End a grant: what it let run is asked about again."""
    return await deps.house.approvals.revoke(approval_id, by, asked.note)


@operations.post("/approvals/{approval_id}/deny", 404, 409)
async def deny_call(approval_id: ApprovalId, answer: Answer, deps: ControlDeps, by: By) -> Approval:
    """Refuse the call; what was approved and did not run yet is taken back."""
    asked = await deps.house.approvals.get(approval_id)
    if asked.tool == RAISE:
        return await raising.left(deps, approval_id, answer, by)
    said = Said(approved=False, by=by, digest=answer.digest, note=answer.note)
    return await answered(deps, approval_id, said)


@operations.post("/approvals/{approval_id}/delegate", 404, 409)
async def delegate_call(
    approval_id: ApprovalId, asked: Delegate, deps: ControlDeps, by: By
) -> Approval:
    """Leave one's voice in a question about a call to another operator."""
    if (await deps.house.approvals.get(approval_id)).tool == RAISE:
        raise InvalidRequest("whoever may raise a cap answers: a voice in it is left to nobody")
    return await delegated(deps, approval_id, by, asked.to)
