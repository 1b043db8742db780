"""Money as integer nano-dollars, and what a provider says it used.

A cached token can cost 100 nano-dollars, so anything coarser than nano loses money to rounding.
Not here: prices (`core/prices`), limits (`model/budgets`).
"""

from decimal import Decimal, InvalidOperation

import msgspec

NUSD_PER_USD = 1_000_000_000
# Sums of amounts must stay within the 64 bits of a store.
_USD_MAX = 1_000_000_000


def parse_usd(text: str | float) -> int:
    """Nano-dollars of `"$1,000.50"`, `"0.5"`, `3` or `0.25`.

    Errors: ValueError for anything negative, not finite, or finer than a nano-dollar.
    """
    raw = str(text).strip().removeprefix("$").replace(",", "").replace("_", "")
    try:
        value = Decimal(raw)
    except InvalidOperation:
        raise ValueError(f"`{text}` is not an amount of dollars") from None
    if not value.is_finite() or value < 0:
        raise ValueError(f"`{text}` is not an amount of dollars")
    if value > _USD_MAX:
        raise ValueError(f"`{text}` is more dollars than an account can hold")
    scaled = value * NUSD_PER_USD
    if scaled != scaled.to_integral_value():
        raise ValueError(f"`{text}` is finer than a nano-dollar")
    return int(scaled)


def format_usd(nusd: int, places: int = 4) -> str:
    """`1234567890` → `"$1.2346"`; `places` decimals, rounded half to even."""
    sign = "-" if nusd < 0 else ""
    return f"{sign}${Decimal(abs(nusd)) / NUSD_PER_USD:.{places}f}"


def exact_usd(nusd: int, places: int = 2) -> str:
    """`1234567890` → `"$1.23456789"`: to the nano-dollar, noughts left out beyond `places`."""
    whole, _, part = format_usd(nusd, 9).partition(".")
    return f"{whole}.{part.rstrip('0'):0<{places}}"


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of one model call as the provider reports them.

    `input_tokens` counts uncached input only, as in the Messages API; the cache fields come on
    top. `server_tool_calls` maps a server tool (`web_search`) to its number of requests.
    """

    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    output_tokens: int = 0
    server_tool_calls: dict[str, int] = {}

    @property
    def prompt_tokens(self) -> int:
        """All input, cached or not: what decides the long-context tier."""
        return (
            self.input_tokens
            + self.cache_read_tokens
            + self.cache_write_5m_tokens
            + self.cache_write_1h_tokens
        )

    @property
    def total_tokens(self) -> int:
        """Input and output together."""
        return self.prompt_tokens + self.output_tokens

    @property
    def weighted_tokens(self) -> int:
        """What counts against a cap in tokens: one read from the cache is a tenth, rounded up."""
        return self.total_tokens - self.cache_read_tokens * 9 // 10


class Sampled(msgspec.Struct, frozen=True, kw_only=True):
    """One sampling that a provider lists apart (`usage.iterations`).

    `kind` is the provider's word for it; an empty `model` is the one that was asked for.
    """

    kind: str
    usage: Usage
    model: str = ""


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer says of its price beside its counts.

    `model` names who answered. `premiums` are the ways it was served, as `field.value`
    (`speed.fast`), each that was told in any event. `sampled` lists samplings that may be billed
    apart. `unread` names figures of usage that could not be read.
    """

    model: str = ""
    premiums: tuple[str, ...] = ()
    sampled: tuple[Sampled, ...] = ()
    unread: tuple[str, ...] = ()


class Cost(msgspec.Struct, frozen=True):
    """What a usage costs, in nano-dollars, input and output apart (server tools are input)."""

    in_nusd: int = 0
    out_nusd: int = 0

    @property
    def total_nusd(self) -> int:
        """Input plus output."""
        return self.in_nusd + self.out_nusd


class Bill(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer costs at the least, with all that was sampled for it.

    `doubts` names what it says of its price that has none; the bill is exact without any.
    """

    cost: Cost
    tokens: int
    doubts: tuple[str, ...] = ()
