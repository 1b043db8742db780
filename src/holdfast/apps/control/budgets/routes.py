"""`/v1/budgets`: what is spent, held and allowed; setting a limit by hand."""

from typing import Annotated

from fastapi import Query

from holdfast.apps.control.budgets import service
from holdfast.apps.control.budgets.schemas import SetLimit, WhichAccounts
from holdfast.apps.control.deps import By, Deps
from holdfast.apps.control.showing import Routes
from holdfast.apps.control.wire import refusals
from holdfast.model.views.budgets import AccountList, BudgetAccount

router = Routes(prefix="/v1/budgets", tags=["budgets"], responses=refusals(404))


@router.get("")
async def show_budgets(which: Annotated[WhichAccounts, Query()], deps: Deps) -> AccountList:
    """The chain of a session, or the accounts of one owner."""
    return AccountList(await service.accounts(deps, which))


@router.put("")
async def set_budget(asked: SetLimit, deps: Deps, by: By) -> BudgetAccount:
    """Set or lift one limit; journalled with the old and the new one."""
    return await service.set_limit(deps, asked, by)
