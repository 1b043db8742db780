"""Accounts and their limits, as they are shown."""

import msgspec

from holdfast.model.budgets import Dimension, Scope, Window


class BudgetAccount(msgspec.Struct, frozen=True, kw_only=True):
    """One account; money in nano-dollars, time in seconds, the rest in pieces.

    `limit` None means unlimited. `settled` is spent, `held` reserved; `alerted` are the percents
    that were told already.
    """

    scope: Scope
    owner: str
    dimension: Dimension
    window: Window
    limit: int | None
    settled: int
    held: int = 0
    alerted: tuple[int, ...] = ()


class AccountList(msgspec.Struct, frozen=True):
    """Innermost first."""

    accounts: tuple[BudgetAccount, ...]
