"""Budgets: accounts of one scope at a time; tenants with their projects below them first."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple
from urllib.parse import urlencode

from starlette.routing import Route

from holdfast.apps.console.budgets.forecast import Forecast, forecast
from holdfast.apps.console.pages import Page
from holdfast.apps.console.visits import Visit, Visits
from holdfast.client import BudgetAccount, Client
from holdfast.model.budgets import Dimension, Scope

ROWS = 100
_SCOPES = {
    Scope.TENANT: "Tenants and projects",
    Scope.USER: "Users",
    Scope.KEY: "Keys",
    Scope.TASK: "Tasks",
    Scope.SESSION: "Sessions",
}


class Line(NamedTuple):
    """An account; `first` of its owner's, `below` for a project under its tenant."""

    account: BudgetAccount
    first: bool
    below: bool
    forecast: Forecast | None

    @property
    def is_money(self) -> bool:
        """Whether it counts nano-dollars."""
        return self.account.dimension in (Dimension.USD, Dimension.USD_IN, Dimension.USD_OUT)

    @property
    def over(self) -> bool:
        """Whether it will be more than it may at this rate."""
        limit = self.account.limit
        return self.forecast is not None and limit is not None and self.forecast.amount > limit


class BudgetViews:
    """Look at accounts."""

    def __init__(self, visits: Visits) -> None:
        self._visits = visits

    def routes(self) -> list[Route]:
        """Where they are."""
        return [Route("/budgets", self._visits.signed_in(self.show), methods=["GET"])]

    async def show(self, visit: Visit) -> Page:
        """Accounts of a scope, a hundred at a time."""
        given = visit.request.query_params
        scope = _scope(given)
        cursor = given.get("after", "")[:2000]
        page = await visit.client.budgets.page(scope=scope, cursor=cursor, limit=ROWS)
        found: Sequence[BudgetAccount] = page.accounts
        if scope is Scope.TENANT:
            found = await _with_projects(visit.client, found)
        after = urlencode({"scope": str(scope), "after": page.next}) if page.next else ""
        return visit.page(
            "budgets",
            lines=list(_lines(found, visit.now_ns)),
            scope=scope,
            scopes=_SCOPES,
            after=after,
        )


def _scope(given: Mapping[str, str]) -> Scope:
    named = {str(scope): scope for scope in _SCOPES}
    return named.get(given.get("scope", ""), Scope.TENANT)


async def _with_projects(client: Client, tenants: Sequence[BudgetAccount]) -> list[BudgetAccount]:
    """Tenants' accounts, and behind those of each the accounts of its projects."""
    found: list[BudgetAccount] = []
    for name in dict.fromkeys(account.owner for account in tenants):
        found += [account for account in tenants if account.owner == name]
        below = await client.budgets.page(scope=Scope.PROJECT, tenant=name, limit=ROWS)
        found += below.accounts
    if not tenants:
        found += (await client.budgets.page(scope=Scope.PROJECT, limit=ROWS)).accounts
    return found


def _lines(accounts: Sequence[BudgetAccount], now_ns: int) -> Iterator[Line]:
    """Those of one owner together, money first."""
    kinds = list(Dimension)
    for _, own in groupby(accounts, key=lambda one: (one.scope, one.owner)):
        ordered = sorted(own, key=lambda one: kinds.index(one.dimension))
        for number, one in enumerate(ordered):
            coming = forecast(one.settled, one.window, now_ns)
            yield Line(one, number == 0, one.scope is Scope.PROJECT, coming)
