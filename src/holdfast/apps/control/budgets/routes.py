"""`/v1/budgets`: what is spent, held and allowed; setting a limit by hand."""

from holdfast.apps.control.budgets import service
from holdfast.apps.control.budgets.schemas import (
    SetLimit,
    WhichAccounts,
    WhichListed,
    WhichProposals,
)
from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.operations import By, Operations
from holdfast.model.views.budgets import AccountList, BudgetAccount, ProposalList

operations = Operations("/v1/budgets", "budgets", (404,))


@operations.get("")
async def show_budgets(which: WhichAccounts, deps: ControlDeps) -> AccountList:
    """The chain of a session, or the accounts of one owner."""
    return AccountList(await service.accounts(deps, which))


@operations.get("/proposals")
async def propose_budgets(which: WhichProposals, deps: ControlDeps) -> ProposalList:
    """Caps that history suggests: the 95th percentile and a margin; nothing is set."""
    from holdfast.apps.control.budgets.proposing import proposals  # noqa: PLC0415 -- it is rare

    return await proposals(deps, which)


@operations.get("/accounts")
async def list_accounts(which: WhichListed, deps: ControlDeps) -> AccountList:
    """Accounts of one scope, by owner."""
    return await service.listed(deps, which)


@operations.put("")
async def set_budget(asked: SetLimit, deps: ControlDeps, by: By) -> BudgetAccount:
    """Set or lift one limit; journalled with the old and the new one."""
    return await service.set_limit(deps, asked, by)
