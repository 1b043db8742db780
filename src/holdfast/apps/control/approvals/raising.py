"""An answer to whether a cap is raised: held to what holds for setting one.

Not here: what goes on then (`runtime/raises`).
"""

from holdfast.apps.control.approvals.schemas import Answer, Approve
from holdfast.apps.control.budgets.schemas import SetLimit
from holdfast.apps.control.budgets.service import set_limit
from holdfast.apps.control.deps import ControlDeps
from holdfast.errors import Conflict, InvalidRequest
from holdfast.model.approvals import Approval
from holdfast.runtime.raises import account_of


async def raised(deps: ControlDeps, approval_id: str, answer: Approve, by: str) -> Approval:
    """Raise the cap, and let all that waits for it go on; durable on return.

    Errors: those of setting a limit; InvalidRequest without a cap above the one that is spent;
    Conflict for a question that is over, or is about another sum than was shown.
    """
    async with deps.house.raises.one_at_a_time:
        after = await _raised(deps, approval_id, answer, by)
    await deps.house.raises.go_on(after)
    return await deps.house.approvals.get(approval_id)


async def _raised(deps: ControlDeps, approval_id: str, answer: Approve, by: str) -> Approval:
    asked = await _shown(deps, approval_id, answer)
    key = account_of(asked)
    async with deps.house.budgets.at_hand((key,)):
        state = deps.house.budgets.ledger.account(key, deps.house.clock.now_ns())
        cap = state.limit if state is not None and state.limit is not None else 0
        if answer.raise_to is None or answer.raise_to <= cap:
            raise InvalidRequest(f"say to what the cap is raised, above {cap}", field="raise_to")
        record, after = deps.house.raises.answered(asked, approved=True, by=by, note=answer.note)
        change = SetLimit(
            scope=key.scope,
            owner=key.owner,
            dimension=key.dimension,
            window=key.window,
            limit=answer.raise_to,
            reason=answer.note or f"asked as {asked.approval_id}",
        )
        await set_limit(deps, change, by, also=(record, after))
    return after


async def left(deps: ControlDeps, approval_id: str, answer: Answer, by: str) -> Approval:
    """Leave the cap, and what waits for it, as they are. Errors: Conflict."""
    async with deps.house.raises.one_at_a_time:
        asked = await _shown(deps, approval_id, answer)
        record, after = deps.house.raises.answered(asked, approved=False, by=by, note=answer.note)
        await deps.house.journal.commit([record], [after])
    return after


async def _shown(deps: ControlDeps, approval_id: str, answer: Answer | Approve) -> Approval:
    asked = await deps.house.approvals.get(approval_id)
    if answer.digest != asked.digest:
        raise Conflict("what is asked about is another cap than you were shown")
    return asked
