"""What can go wrong at a model provider, and what an operator wants done about it.

Not here: how a status becomes a `Trouble`, and the trying again (`runtime/reaching`).
"""

import enum

import msgspec


class Trouble(enum.StrEnum):
    """Why a provider did not answer a call that was sound."""

    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    UPSTREAM = "upstream"
    CREDENTIAL = "credential"


class Retries(msgspec.Struct, frozen=True, kw_only=True):
    """How often the gateway itself tries again before the client sees a byte.

    The wait is what the provider asks for, else random below a bound that doubles from `base_s`
    up to `most_s`. `after_sent`: also where the provider may already have billed the call that
    broke off; what it may have cost is charged first.
    """

    attempts: int = 2
    base_s: float = 0.5
    most_s: float = 8.0
    after_sent: bool = False

    def within(self, most: int | None) -> int:
        """Further tries of a call whose client wants at most so many."""
        return self.attempts if most is None else min(self.attempts, most)


class Fallback(msgspec.Struct, frozen=True, kw_only=True):
    """Where a call goes next after one of these troubles; an empty `model` keeps the call's own."""

    on: tuple[Trouble, ...]
    upstream: str
    model: str = ""
