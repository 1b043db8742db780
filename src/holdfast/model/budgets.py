"""What a budget limits: dimensions, windows, accounts, holds, and the answers of the ledger.

An *account* is one owner in one dimension over one window; a *chain* is every account that one
action touches, innermost first. The arithmetic is in `core/budgets`.
"""

import enum

import msgspec


class Dimension(enum.StrEnum):
    """What is counted. Money in nano-dollars, time in whole seconds, the rest in pieces."""

    USD = "usd"
    USD_IN = "usd_in"
    USD_OUT = "usd_out"
    TOKENS = "tokens"
    TOOL_CALLS = "tool_calls"
    TURNS = "turns"
    SECONDS = "seconds"


class Scope(enum.StrEnum):
    """Whose account it is, innermost first."""

    TASK = "task"
    SESSION = "session"
    KEY = "key"
    USER = "user"
    PROJECT = "project"
    TENANT = "tenant"


CONFIGURED = (Scope.TASK, Scope.SESSION, Scope.USER, Scope.PROJECT, Scope.TENANT)
"""Scopes whose limits the settings give; a key brings its own."""


class Window(enum.StrEnum):
    """Over which time an account adds up.

    `hour` and `day` roll (any 60 minutes, any 24 hours); `calendar_*` follow UTC; `life` never
    starts again.
    """

    LIFE = "life"
    HOUR = "hour"
    DAY = "day"
    CALENDAR_DAY = "calendar_day"
    CALENDAR_MONTH = "calendar_month"


Amounts = dict[Dimension, int]
"""How much of each dimension; a dimension left out is zero."""


class AccountKey(msgspec.Struct, frozen=True, order=True):
    """Names one account. `owner` is qualified by tenant (`acme/ann`), so tenants cannot collide."""

    scope: Scope
    owner: str
    dimension: Dimension
    window: Window

    def __str__(self) -> str:
        return f"{self.scope}:{self.owner}:{self.dimension}:{self.window}"


def account_texts(scope: Scope, tenant: str) -> tuple[str, str]:
    """Texts between which those of a scope's accounts lie, of one tenant or of all (empty)."""
    first = f"{scope}:"
    if tenant:
        first += f"{tenant}:" if scope is Scope.TENANT else f"{tenant}/"
    return first, first[:-1] + chr(ord(first[-1]) + 1)


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """A cap on one dimension and window of a scope; `alerts` are percents, ascending."""

    scope: Scope
    dimension: Dimension
    window: Window
    amount: int
    alerts: tuple[int, ...] = (50, 80, 100)


class Reserved(msgspec.Struct, frozen=True):
    """The amount is held on every account of the chain."""

    hold_id: str


class Refused(msgspec.Struct, frozen=True):
    """No account holds anything; `key` is the innermost one without room.

    `fits_when_settled`: the amount would fit if the holds of other calls were released, so
    waiting can help; otherwise what is already spent refuses it.
    """

    key: AccountKey
    limit: int
    settled: int
    held: int
    wanted: int
    fits_when_settled: bool


class Alert(msgspec.Struct, frozen=True):
    """An account crossed `percent` of its limit; raised once a window for each percent."""

    key: AccountKey
    percent: int
    limit: int
    settled: int


class AccountState(msgspec.Struct, frozen=True, kw_only=True):
    """An account as stored and shown.

    `buckets` maps a bucket number of a rolling window to what was settled in it; `period` is the
    calendar period in which `alerted` was filled. Of a rolling window `alerted` are the percents
    that were told and are reached since, `told_at_ns` says when each was told last.
    `set_by_hand`: an operator's limit, which the configuration no longer changes.
    """

    key: AccountKey
    limit: int | None
    settled: int
    held: int = 0
    period: int = 0
    buckets: dict[int, int] = {}
    alerts: tuple[int, ...] = (50, 80, 100)
    alerted: tuple[int, ...] = ()
    told_at_ns: dict[int, int] = {}
    set_by_hand: bool = False


class HoldState(msgspec.Struct, frozen=True, kw_only=True):
    """An open reservation: what a crash must not forget."""

    hold_id: str
    session: str
    purpose: str
    keys: tuple[AccountKey, ...]
    amounts: Amounts
    opened_at_ns: int
