"""Bodies of budgets. Amounts are in an account's own unit, dollars as nano-dollars."""

from holdfast.model.bodies.base import Body
from holdfast.model.budgets import Dimension


class BudgetDecided(Body, frozen=True, kw_only=True):
    """A call asked for a hold on its whole chain. `amounts` are by dimension.

    Where it got one, `hold_id` names it; else `account` had no room for what was `wanted`.
    """

    purpose: str
    amounts: dict[Dimension, int]
    hold_id: str = ""
    account: str = ""
    limit: int | None = None
    settled: int | None = None
    held: int | None = None
    wanted: int | None = None


class BudgetAlert(Body, frozen=True, kw_only=True):
    """An account reached a percentage of its limit, or had no room (100)."""

    account: str
    percent: int
    limit: int | None
    settled: int


class BudgetChanged(Body, frozen=True, kw_only=True):
    """A limit was changed by hand; None is unlimited."""

    account: str
    reason: str
    by: str
    old: int | None
    new: int | None


class BudgetOvershot(Body, frozen=True, kw_only=True):
    """More was charged to an account than was held on it."""

    account: str
