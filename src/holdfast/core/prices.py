"""Prices: which model a name means, and what a usage cost.

Everything is exact integers of nano-dollars. What has no price is `Unpriced`, never free: an
unknown model, a server tool.

Not here: what a request could cost at most (`core/work`), who pays (`core/budgets`).
"""

import re
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from holdfast.model.money import Bill, Cost, Served, Usage
from holdfast.model.prices import ModelPrice, PriceTable, Rates, Unpriced

__all__ = ["PriceBook", "Unpriced", "premium", "rates_per_mtok"]

TOKENS_PER_MTOK = 1_000_000
_DATED = re.compile(r"(.+)-20[0-9]{6}", re.ASCII)

# What a way of serving costs where the price of the model does not say, in thousandths.
_PREMIUMS = {
    "speed.standard": 1000,
    "service_tier.standard": 1000,
    "inference_geo.global": 1000,
    "inference_geo.not_available": 1000,
    "inference_geo.us": 1100,
}
# Billed beside what the answer itself counts; the others are part of it.
_WITHIN = frozenset({"message", "fallback_message"})
# Tools of the provider that cost the tokens they bring, and nothing a request.
_FREE_TOOLS = frozenset({"web_fetch", "tool_search"})


class PriceBook:
    """The pinned table with the operator's overrides on top; immutable.

    An override replaces the model of the same `model`: rates, tiers and context window. Names and
    server tool prices that it leaves out stay those of the model it replaces.
    """

    def __init__(self, table: PriceTable, overrides: Iterable[ModelPrice] = ()) -> None:
        prices = {price.model: price for price in table.models}
        overrides = tuple(overrides)
        prices.update((price.model, _over(price, prices.get(price.model))) for price in overrides)
        self.source = table.source
        self.valid_on = table.valid_on
        self._overridden = frozenset(price.model for price in overrides)
        self._by_name: dict[str, ModelPrice] = {}
        self._by_stem: dict[str, ModelPrice] = {}
        for price in prices.values():
            self._by_name.update(dict.fromkeys(price.aliases, price))
            self._by_stem.update(dict.fromkeys(price.dated, price))
        # A model's own name wins over any alias of another.
        self._by_name.update(prices)
        self._prices = prices

    def __iter__(self) -> Iterator[ModelPrice]:
        return iter(self._prices.values())

    def find(self, model: str) -> ModelPrice | None:
        """The price of exactly that model name, dated names included; None when unknown."""
        price = self._by_name.get(model)
        if price is None:
            dated = _DATED.fullmatch(model)
            price = self._by_stem.get(dated[1]) if dated else None
        return price

    def cost(self, model: str, usage: Usage) -> Cost | Unpriced:
        """What `usage` cost, to the nano-dollar; every tier holds for the whole call."""
        price = self.find(model)
        if price is None:
            return _unknown(model)
        if min(_counts(usage)) < 0:
            return Unpriced("the usage holds a negative count")
        tools_nusd = _tools_nusd(price, usage.server_tool_calls)
        if isinstance(tools_nusd, Unpriced):
            return tools_nusd
        total = _Sum(price, usage)
        return Cost(total.in_nusd + tools_nusd, total.out_nusd)

    def bill(self, model: str, usage: Usage, served: Served) -> Bill | Unpriced:
        """What an answer to a request for `model` cost, with all that it says of its price.

        Where two readings differ the dearer counts: the sum that the answer counts or the
        samplings that it lists, the model that was asked or the one that answered. Unpriced only
        where the model that was asked has no price; other doubts are named in the bill.
        """
        price = self.find(model)
        if price is None:
            return _unknown(model)
        doubts = list(served.unread)
        tools_nusd = _known_tools_nusd(price, usage.server_tool_calls, doubts)
        apart, listed = _Sum(), _Sum()
        for one in served.sampled:
            own = self.find(one.model) if one.model else price
            if own is None:
                doubts.append(f"iterations.model.{one.model}")
            else:
                (listed if one.kind in _WITHIN else apart).add(own, one.usage)
        totals = [_Sum(own, usage) for own in self._answered(price, served, doubts)]
        whole = listed.dearest(*totals)
        factor, base = _premium(price, served.premiums, doubts)
        return Bill(
            cost=Cost(
                -(-(whole.in_nusd + apart.in_nusd) * factor // base) + tools_nusd,
                -(-(whole.out_nusd + apart.out_nusd) * factor // base),
            ),
            tokens=whole.tokens + apart.tokens,
            doubts=tuple(sorted(set(doubts))),
        )

    def _answered(self, asked: ModelPrice, served: Served, doubts: list[str]) -> list[ModelPrice]:
        """Whose prices the counts of the answer may have."""
        own = self.find(served.model) or asked
        if own is asked or asked.model in self._overridden:
            # An operator who prices a name says what is served under it.
            return [asked]
        if any(one.kind == "fallback_message" for one in served.sampled):
            return [own]
        doubts.append(f"model.{served.model}")
        return [asked, own]


def rates_per_mtok(
    *,
    input_nusd: int,
    output_nusd: int,
    cache_read_nusd: int | None = None,
    cache_write_5m_nusd: int | None = None,
    cache_write_1h_nusd: int | None = None,
) -> Rates | Unpriced:
    """Rates from nano-dollars per **million** tokens, as price lists and overrides give them.

    A cache rate left out is taken at its dearest: reads at the input rate, writes at twice that.
    Unpriced when a rate is negative or no whole number of nano-dollars per token.
    """
    twice = 2 * input_nusd
    per_mtok = (
        input_nusd,
        output_nusd,
        input_nusd if cache_read_nusd is None else cache_read_nusd,
        twice if cache_write_5m_nusd is None else cache_write_5m_nusd,
        twice if cache_write_1h_nusd is None else cache_write_1h_nusd,
    )
    if any(rate < 0 or rate % TOKENS_PER_MTOK for rate in per_mtok):
        return Unpriced("a rate must be a whole number of nano-dollars per token")
    return Rates(*(rate // TOKENS_PER_MTOK for rate in per_mtok))


def _over(price: ModelPrice, replaced: ModelPrice | None) -> ModelPrice:
    if replaced is None:
        return price
    return msgspec.structs.replace(
        price,
        aliases=price.aliases or replaced.aliases,
        dated=price.dated or replaced.dated,
        server_tool_nusd=price.server_tool_nusd or replaced.server_tool_nusd,
        premiums=replaced.premiums | price.premiums,
    )


class _Sum:
    """Tokens and their money, sampling by sampling."""

    def __init__(self, price: ModelPrice | None = None, usage: Usage | None = None) -> None:
        self.in_nusd = self.out_nusd = self.tokens = 0
        if price is not None and usage is not None:
            self.add(price, usage)

    def add(self, price: ModelPrice, usage: Usage) -> None:
        """One sampling; a tier holds for the whole of it."""
        rates = _rates_at(price, usage.prompt_tokens)
        self.in_nusd += (
            usage.input_tokens * rates.input_nusd
            + usage.cache_read_tokens * rates.cache_read_nusd
            + usage.cache_write_5m_tokens * rates.cache_write_5m_nusd
            + usage.cache_write_1h_tokens * rates.cache_write_1h_nusd
        )
        self.out_nusd += usage.output_tokens * rates.output_nusd
        self.tokens += usage.weighted_tokens

    def dearest(self, *others: "_Sum") -> "_Sum":
        """The most of each that any of the readings says."""
        most = _Sum()
        every = (self, *others)
        most.in_nusd = max(one.in_nusd for one in every)
        most.out_nusd = max(one.out_nusd for one in every)
        most.tokens = max(one.tokens for one in every)
        return most


def _known_tools_nusd(price: ModelPrice, calls: Mapping[str, int], doubts: list[str]) -> int:
    """The money of the tools that have a price; the others are doubts."""
    total_nusd = 0
    for tool, count in calls.items():
        each_nusd = price.server_tool_nusd.get(tool, 0 if tool in _FREE_TOOLS else None)
        if each_nusd is None:
            doubts.append(f"server_tool_use.{tool}")
        else:
            total_nusd += count * each_nusd
    return total_nusd


def premium(price: ModelPrice, way: str) -> int | None:
    """What one way of serving (`speed.fast`) costs, in thousandths of the rates; None unpriced."""
    return price.premiums.get(way, _PREMIUMS.get(way))


def _premium(price: ModelPrice, told: Iterable[str], doubts: list[str]) -> tuple[int, int]:
    """What the ways of serving multiply the rates by, as a fraction; the dearest of each field."""
    dearest: dict[str, int] = {}
    for way in told:
        thousandths = premium(price, way)
        if thousandths is None:
            doubts.append(way)
        else:
            field = way.partition(".")[0]
            dearest[field] = max(dearest.get(field, 1000), thousandths)
    factor = base = 1
    for thousandths in dearest.values():
        factor, base = factor * thousandths, base * 1000
    return factor, base


def _unknown(model: str) -> Unpriced:
    return Unpriced(f"no price is known for the model `{model[:100]}`")


def _counts(usage: Usage) -> tuple[int, ...]:
    return (
        usage.input_tokens,
        usage.cache_read_tokens,
        usage.cache_write_5m_tokens,
        usage.cache_write_1h_tokens,
        usage.output_tokens,
        *usage.server_tool_calls.values(),
    )


def _tools_nusd(price: ModelPrice, calls: Mapping[str, int]) -> int | Unpriced:
    total_nusd = 0
    for tool, count in calls.items():
        if not count:
            continue
        each_nusd = price.server_tool_nusd.get(tool)
        if each_nusd is None:
            return Unpriced(f"the server tool `{tool[:100]}` has no price")
        total_nusd += count * each_nusd
    return total_nusd


def _rates_at(price: ModelPrice, prompt_tokens: int) -> Rates:
    rates = price.rates
    for tier in price.tiers:
        if prompt_tokens > tier.above_prompt_tokens:
            rates = tier.rates
    return rates
