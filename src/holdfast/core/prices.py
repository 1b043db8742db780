"""Prices: which model a name means, what a usage cost, what a call could cost at most.

Everything is exact integers of nano-dollars. What has no price is `Unpriced`, never free: an
unknown model, a server tool, a request field that changes the price behind the table's back.

Not here: how many tokens a request could have (`core/messages`), who pays (`core/budgets`).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from holdfast.model.money import Bill, Cost, Served, Usage
from holdfast.model.prices import ModelPrice, PriceTable, Rates, Unpriced

__all__ = ["PriceBook", "Unpriced", "rates_per_mtok", "request_faults", "server_tool_bound"]

TOKENS_PER_MTOK = 1_000_000
_DATED = re.compile(r"(.+)-20[0-9]{6}", re.ASCII)

# Fields of a request that change the price, and the values under which the table holds.
_PRICED_VALUES: dict[str, frozenset[str]] = {
    "inference_geo": frozenset({"global"}),
    "service_tier": frozenset({"auto", "standard_only"}),
    "speed": frozenset({"standard"}),
}
# Fields that start billed work of a size the request does not bound.
_UNBOUNDED_FIELDS = ("mcp_servers", "container")
# A tool with one of these type prefixes runs at the client and costs tokens only.
_CLIENT_TOOL_TYPES = ("bash_", "text_editor_", "computer_", "memory_")
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
_VERSIONED = re.compile(r"([a-z][a-z_]*?)_20[0-9]{6}", re.ASCII)


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

    def dearest_input_nusd_per_token(
        self, model: str, *, cache_write: bool, one_hour: bool, prompt_tokens_bound: int
    ) -> int | Unpriced:
        """The highest rate that a prompt of up to `prompt_tokens_bound` tokens could be billed at.

        `cache_write`: the request marks something to be cached; `one_hour`: for an hour.
        """
        price = self.find(model)
        if price is None:
            return _unknown(model)
        return max(
            _dearest_input(rates, cache_write=cache_write, one_hour=one_hour)
            for rates in _reachable(price, prompt_tokens_bound)
        )

    def bound(
        self,
        model: str,
        *,
        input_tokens_bound: int,
        output_tokens: int,
        cache_write: bool = True,
        one_hour: bool = False,
        server_tool_calls: Mapping[str, int] | None = None,
    ) -> Cost | Unpriced:
        """The most that a call of at most these sizes can cost.

        `server_tool_calls` maps a server tool to its largest number of requests. After each of
        them the provider may sample again with a grown prompt, so each also adds a full context
        window of input.
        """
        price = self.find(model)
        if price is None:
            return _unknown(model)
        calls = dict(server_tool_calls or {})
        if min(input_tokens_bound, output_tokens, *calls.values(), 0) < 0:
            return Unpriced("a bound cannot be negative")
        tools_nusd = _tools_nusd(price, calls)
        if isinstance(tools_nusd, Unpriced):
            return tools_nusd
        again = sum(calls.values())
        prompt = max(input_tokens_bound, price.context_tokens) if again else input_tokens_bound
        reachable = _reachable(price, prompt)
        input_nusd = max(
            _dearest_input(rates, cache_write=cache_write, one_hour=one_hour) for rates in reachable
        )
        tokens = input_tokens_bound + again * prompt
        output_nusd = max(rates.output_nusd for rates in reachable)
        return Cost(tokens * input_nusd + tools_nusd, output_tokens * output_nusd)

    def request_faults(self, body: Mapping[str, Any]) -> tuple[str, ...]:
        """What in a Messages API request has no price here; see `request_faults`."""
        model = body.get("model")
        price = self.find(model) if isinstance(model, str) else None
        return request_faults(body, price)


def server_tool_bound(body: Mapping[str, Any]) -> dict[str, int]:
    """The most requests of each server tool that a request without faults can make.

    What `bound` takes as `server_tool_calls`: `{"web_search": 8}` from `max_uses`.
    """
    most: dict[str, int] = {}
    for tool in body.get("tools") or ():
        versioned = _VERSIONED.fullmatch(tool.get("type") or "")
        if versioned and not versioned[0].startswith(_CLIENT_TOOL_TYPES):
            most[versioned[1]] = most.get(versioned[1], 0) + tool["max_uses"]
    return most


def request_faults(body: Mapping[str, Any], price: ModelPrice | None) -> tuple[str, ...]:
    """The fields of a request that change its price beyond the table, sorted and bounded.

    Named are: another region, tier or speed than the standard one; MCP servers and containers
    that work at the provider; compaction (its own sampling is billed apart); server tools that
    have no price for this model, and priced ones without `max_uses`.
    """
    faults = {
        field
        for field, priced in _PRICED_VALUES.items()
        if (value := body.get(field)) is not None
        and not (isinstance(value, str) and value in priced)
    }
    faults.update(field for field in _UNBOUNDED_FIELDS if body.get(field))
    if _compacts(body.get("context_management")):
        faults.add("context_management")
    tools = body.get("tools")
    if isinstance(tools, list | tuple):
        faults.update(fault for tool in tools if (fault := _tool_fault(tool, price)))
    elif tools is not None:
        faults.add("tools")
    return tuple(sorted(faults)[:20])


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


def _premium(price: ModelPrice, told: Iterable[str], doubts: list[str]) -> tuple[int, int]:
    """What the ways of serving multiply the rates by, as a fraction; the dearest of each field."""
    dearest: dict[str, int] = {}
    for way in told:
        thousandths = price.premiums.get(way, _PREMIUMS.get(way))
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


def _reachable(price: ModelPrice, prompt_tokens_bound: int) -> tuple[Rates, ...]:
    """Every tier that a prompt of at most that length could fall into."""
    tiers = (t.rates for t in price.tiers if prompt_tokens_bound > t.above_prompt_tokens)
    return (price.rates, *tiers)


def _dearest_input(rates: Rates, *, cache_write: bool, one_hour: bool) -> int:
    dearest = max(rates.input_nusd, rates.cache_read_nusd)
    if cache_write or one_hour:
        dearest = max(dearest, rates.cache_write_5m_nusd)
    return max(dearest, rates.cache_write_1h_nusd) if one_hour else dearest


def _compacts(management: object) -> bool:
    """Whether the request asks the provider to summarise; anything unreadable counts as yes."""
    if management is None:
        return False
    edits = management.get("edits", []) if isinstance(management, dict) else None
    if not isinstance(edits, list):
        return True
    return any(
        not isinstance(edit, dict) or not str(edit.get("type", "")).startswith("clear_")
        for edit in edits
    )


def _tool_fault(tool: object, price: ModelPrice | None) -> str | None:
    if not isinstance(tool, dict):
        return "tools"
    kind = tool.get("type")
    if kind is None or kind == "custom":
        return None
    if not isinstance(kind, str):
        return "tools"
    if kind.startswith(_CLIENT_TOOL_TYPES):
        return None
    versioned = _VERSIONED.fullmatch(kind)
    priced = price is not None and versioned and versioned[1] in price.server_tool_nusd
    if not priced:
        return f"tools.{kind[:60]}"
    uses = tool.get("max_uses")
    whole = isinstance(uses, int) and not isinstance(uses, bool) and uses >= 0
    return None if whole else f"tools.{kind[:60]}.max_uses"
