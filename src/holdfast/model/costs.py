"""What was spent, added up by whoever or whatever it was spent for."""

import enum
from datetime import UTC, datetime

import msgspec

DAY_NS = 86_400 * 1_000_000_000


class CostBy(enum.StrEnum):
    """What costs are told apart by. Days are UTC's, as calendar windows are."""

    TENANT = "tenant"
    PROJECT = "project"
    USER = "user"
    AGENT = "agent"
    TASK = "task"
    SESSION = "session"
    MODEL = "model"
    DAY = "day"


def day_of(number: int) -> str:
    """`2026-03-01` of the days since 1970."""
    return f"{datetime.fromtimestamp(number * 86_400, UTC):%Y-%m-%d}"


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """One part: its names in the order that was asked for, nano-dollars, and how many charges.

    A day is `2026-03-01`. A model is empty where a crash took the call before it was known.
    """

    names: tuple[str, ...]
    cost_nusd: int
    charges: int


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """All that a question reaches, and the dearest of its parts, dearest first.

    `parts` is how many there are, those that are not shown included.
    """

    cost_nusd: int = 0
    charges: int = 0
    parts: int = 0
    dearest: tuple[Cost, ...] = ()
