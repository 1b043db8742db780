"""Compile the price table: genai-prices' Claude models → `src/holdfast/core/price_table.py`.

Run as `python -m scripts.compile_prices [YYYY-MM-DD]`: prices are those in force on that day
(default: the day the table already names, so that a second run changes nothing). Refuses rather
than rounds: a price that is no whole number of nano-dollars per token, a price key it does not
know, or tiers that start at different lengths end the run.

Match rules are flattened to exact names. Each name is asked back of genai-prices, and only kept
where that finds the same model; so is the rule that a name may carry a release date.
"""

import sys
from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any

from genai_prices import Usage, calc_price, data
from genai_prices.types import ModelInfo, TieredPrices

TARGET = Path(__file__).parents[1] / "src" / "holdfast" / "core" / "price_table.py"
PROVIDER = "anthropic"
SOME_DATE = "20260101"
# Models from before that date rule match single releases; this is the one of Claude 4.
SINGLE_RELEASE = "20250514"
_RATES = (
    ("input_mtok",),
    ("output_mtok",),
    ("cache_read_mtok", "input_mtok"),
    ("cache_write_mtok", "input_mtok"),
    ("cache_write_1h_mtok", "cache_write_mtok", "input_mtok"),
)
_KNOWN_KEYS = {keys[0] for keys in _RATES} | {"web_searches_kcount"}


def nusd(price: Decimal, per: int) -> int:
    """Dollars per `per` pieces as whole nano-dollars apiece; ValueError when they are not whole."""
    each = price * 1_000_000_000 / per
    if each != each.to_integral_value() or each < 0:
        raise ValueError(f"{price} per {per} is no whole number of nano-dollars")
    return int(each)


def literals(clause: Any) -> list[str]:
    """Every plain string of a match rule."""
    if hasattr(clause, "or_"):
        return [text for part in clause.or_ for text in literals(part)]
    for field in ("equals", "starts_with", "contains"):
        if hasattr(clause, field):
            return [getattr(clause, field)]
    return []


def means(name: str, model: ModelInfo) -> bool:
    """Whether genai-prices takes `name` for exactly this model."""
    try:
        found = calc_price(Usage(input_tokens=1), name, provider_id=PROVIDER).model
    except LookupError:
        return False
    return found.id == model.id


def names_of(model: ModelInfo) -> tuple[list[str], list[str]]:
    """The exact names of a model besides its id, and those that may carry a date."""
    stems = {model.id, *literals(model.match)}
    # A stem that ends in punctuation or in half a date is a prefix, not a name.
    stems = {stem for stem in stems if stem[-1].isalnum() and not stem.endswith("-2025")}
    names = stems | {f"{stem}-latest" for stem in stems if not stem.endswith("-latest")}
    datable = {stem for stem in stems if not stem.endswith("-latest")}
    dated = {stem for stem in datable if means(f"{stem}-{SOME_DATE}", model)}
    names |= {f"{stem}-{SINGLE_RELEASE}" for stem in datable - dated}
    aliases = sorted(name for name in names if name != model.id and means(name, model))
    return aliases, sorted(dated)


def rates_at(prices: Any, prompt_tokens: int) -> str:
    """The `Rates(…)` expression of a prompt of that length."""
    found = []
    for keys in _RATES:
        price: Any = next(value for key in keys if (value := getattr(prices, key)) is not None)
        if isinstance(price, TieredPrices):
            passed = [tier.price for tier in price.tiers if prompt_tokens > tier.start]
            price = passed[-1] if passed else price.base
        found.append(f"{nusd(price, 1_000_000):_}")
    return f"Rates({', '.join(found)})"


def entry(model: ModelInfo, on: datetime) -> list[str]:
    """The lines of one `ModelPrice(…)`."""
    prices = model.get_prices(on)
    unknown = {key for key, price in prices.__dict__.items() if price is not None} - _KNOWN_KEYS
    if unknown:
        raise ValueError(f"{model.id} has prices of unknown kind: {', '.join(sorted(unknown))}")
    tiered = [price for price in prices.__dict__.values() if isinstance(price, TieredPrices)]
    starts = {tuple(tier.start for tier in price.tiers) for price in tiered}
    if len(starts) > 1:
        raise ValueError(f"{model.id} has tiers that start at different lengths")
    aliases, dated = names_of(model)
    lines = [
        f'model="{model.id}"',
        f"rates={rates_at(prices, 0)}",
        f"context_tokens={model.context_window:_}",
        *(f"{field}={tuple(names)!r}" for field, names in _named(aliases, dated) if names),
    ]
    tiers = "".join(f"Tier({at:_}, {rates_at(prices, at + 1)})," for at in next(iter(starts), ()))
    if tiers:
        lines.append(f"tiers=({tiers})")
    search: Any = prices.web_searches_kcount
    if search is not None:
        lines.append(f'server_tool_nusd={{"web_search": {nusd(search, 1000):_}}}')
    return lines


def _named(aliases: list[str], dated: list[str]) -> tuple[tuple[str, list[str]], ...]:
    return (("aliases", aliases), ("dated", dated))


def render(on: datetime) -> str:
    """The whole module, before formatting."""
    provider = next(provider for provider in data.providers if provider.id == PROVIDER)
    # Without a context window no call can be bounded, so the model stays unknown.
    models = [model for model in provider.models if model.context_window]
    entries = "".join(f"ModelPrice({', '.join(entry(model, on))}),\n" for model in models)
    return (
        '"""The pinned price table; made by `scripts/compile_prices.py`, never by hand.\n\n'
        "Rates are nano-dollars per token: input, output, cache read, cache write 5 min, 1 h.\n"
        '"""\n\n'
        "from holdfast.model.prices import ModelPrice, PriceTable, Rates, Tier\n\n"
        "PRICE_TABLE = PriceTable(\n"
        f'source="genai-prices {version("genai-prices")}",\n'
        f'valid_on="{on.date().isoformat()}",\n'
        f"models=({entries}),\n)\n"
    )


def main(arguments: list[str]) -> None:
    """Write the table for the day given, or for the day that it names already."""
    if arguments:
        day = arguments[0]
    else:
        from holdfast.core.price_table import PRICE_TABLE  # noqa: PLC0415 - may not exist yet

        day = PRICE_TABLE.valid_on
    TARGET.write_text(render(datetime.fromisoformat(day).replace(tzinfo=UTC)), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
