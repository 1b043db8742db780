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
    """Innermost first; a page of one scope is by owner."""

    accounts: tuple[BudgetAccount, ...]
    next: str = ""


class CapProposal(msgspec.Struct, frozen=True, kw_only=True):
    """A cap that history suggests, in nano-dollars, for a `session`, a `run` or a `user day`.

    `n` were looked at; of fewer than `least` nothing is suggested, and `limit_nusd` is None.
    `usual_nusd` is their 95th percentile. `owners` are those whose account it could be set on now.
    """

    of: str
    scope: Scope
    dimension: Dimension
    window: Window
    n: int
    least: int
    usual_nusd: int | None
    limit_nusd: int | None
    owners: tuple[str, ...]


class ProposalList(msgspec.Struct, frozen=True, kw_only=True):
    """Out of what was spent from `from_ns` until before `until_ns`, the start of today (UTC)."""

    tenant: str
    agent: str
    from_ns: int
    until_ns: int
    proposals: tuple[CapProposal, ...]
