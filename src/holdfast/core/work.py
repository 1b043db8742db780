"""The most that one request can cost: every sampling that the provider may do for it.

A request starts more than one sampling where tools run at the provider (it samples again after
each call), where it compacts, where it asks an advisor, and where it names models to fall back on.
All of them read the prompt as it has grown by then, and what an answer says is read again by those
after it. Where nothing bounds a part, the refusal names the field.

Not here: who pays (`core/budgets`), what was really used (`core/metering`).
"""

from collections.abc import Iterator

import msgspec

from holdfast.core.messages import ModelRequest
from holdfast.core.prices import PriceBook, premium
from holdfast.core.wire.admitted import NOTHING, Admitted, Sort
from holdfast.core.wire.reading import Attempt, ServerTool, spelt_steps
from holdfast.core.wire.splicing import Change
from holdfast.core.wire.tools import WORK, ServerWork
from holdfast.model.prices import ModelPrice, Rates, Unpriced

_WIDE_TOKENS = 1_000_000
# A summary of what is compacted, at most; the provider's own are a few thousand.
COMPACTION_TOKENS = 16_000
# The least that the API takes as a trigger; one left out is never taken for later than this.
_LEAST_TRIGGER_TOKENS = 50_000


class Bound(msgspec.Struct, frozen=True, kw_only=True):
    """What a request can cost: fixed tokens and money, and what each token of its output adds.

    A token of output costs `out_nusd_per_token`, and `in_nusd_per_token` where it is read again;
    it counts `tokens_per_token` times. `unreported_nusd` is within `in_nusd`: the provider bills
    it, and its usage does not say so. `prompt_tokens` is the prompt alone, `context_tokens` the
    window of the model that was asked.
    """

    prompt_tokens: int
    in_tokens: int
    in_nusd: int
    out_nusd: int
    in_nusd_per_token: int
    out_nusd_per_token: int
    tokens_per_token: int
    unreported_nusd: int
    context_tokens: int


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request and what bounds it from outside.

    `input_tokens` of prompt at most (None: the whole window); `wide`: a beta widens the window to
    a million tokens; `uses`: tools whose definitions can be limited run no more often than that.
    """

    request: ModelRequest
    input_tokens: int | None
    admitted: Admitted = NOTHING
    wide: bool = False
    uses: int | None = None

    def tools(self) -> tuple[tuple[ServerTool, ServerWork], ...]:
        """Every tool that runs at the provider, with what it may do for this request."""
        asks = self.request.asks
        found = [(tool, self._work(tool)) for tool in asks.server]
        named = {tool.name for tool in asks.server}
        beside = (name for name in ("mcp_servers", "code_execution") if name in asks.grants)
        found += [
            (ServerTool(name=name, steps=(name,)), self._declared(name))
            for name in beside
            if name not in named
        ]
        return tuple(found)

    def changes(self) -> tuple[Change, ...]:
        """What is written into definitions so that the bound holds at the provider, too."""
        return tuple(change for tool, work in self.tools() for change in _limits(tool, work))

    def uses_from(self) -> int:
        """The most uses that a definition can be lowered from; 0 where there is none to lower."""
        return max((work.calls for _, work in self.tools() if work.limited), default=0)

    def _work(self, tool: ServerTool) -> ServerWork:
        if tool.declared is not None:
            line = tool.declared
            return ServerWork(calls=line.calls, tokens=line.tokens, nusd=line.nusd)
        work = self._declared(tool.name)
        calls = work.calls
        if work.limited:
            # A request may ask for more than the table's own bound, not than the operator's.
            own = tool.max_uses is None or self.admitted.find(Sort.TOOL, tool.name) is not None
            most = (tool.max_uses, self.uses, work.calls if own else None)
            calls = min(one for one in most if one is not None)
        said = tool.max_tokens if tool.model else tool.max_content_tokens
        tokens = work.tokens if said is None else said
        return msgspec.structs.replace(work, calls=calls, tokens=tokens)

    def _declared(self, name: str) -> ServerWork:
        """The table's own bound, or the operator's in its place."""
        work, line = WORK[name], self.admitted.find(Sort.TOOL, name)
        if line is None:
            return work
        nusd = line.nusd or work.nusd
        return msgspec.structs.replace(work, calls=line.calls, tokens=line.tokens, nusd=nusd)


def bound_of(book: PriceBook, asked: Asked) -> Bound | Unpriced:
    """The bound of a request. Unpriced names what has no price, or what nothing bounds."""
    request, tools = asked.request, asked.tools()
    attempts = (Attempt(model=request.model), *request.asks.attempts)
    prices = [book.find(attempt.model) for attempt in attempts]
    total = _Sum()
    for attempt, price in zip(attempts, prices, strict=True):
        if price is None:
            return _unknown(attempt.model)
        factor = _premium(asked, attempt, price)
        if isinstance(factor, Unpriced):
            return factor
        total.add(_attempt(asked, price, tools, factor), attempt.max_tokens)
        for tool, work in tools:
            if tool.model:
                advice = _advice(book, asked, tool, work)
                if isinstance(advice, Unpriced):
                    return advice
                total.add(advice, None)
    unreported = sum(_unreported(tool, work, prices) for tool, work in tools)
    unreported += sum(one.nusd for one in request.asks.admitted if one.sort is not Sort.TOOL)
    window = _window(prices[0], asked)
    return Bound(
        prompt_tokens=_prompt(asked, window),
        in_tokens=total.in_tokens,
        in_nusd=total.in_nusd + unreported,
        out_nusd=total.out_nusd,
        in_nusd_per_token=total.again_nusd,
        out_nusd_per_token=total.each_nusd,
        tokens_per_token=total.each_tokens,
        unreported_nusd=unreported,
        context_tokens=window,
    )


class _Sum:
    """Parts of a bound added up: what is fixed, and what each token of output adds."""

    def __init__(self) -> None:
        self.in_tokens = self.in_nusd = self.out_nusd = 0
        self.again_nusd = self.each_nusd = self.each_tokens = 0

    def add(self, part: "_Sum", output_tokens: int | None) -> None:
        """One more part; with `output_tokens` of its own, its output is fixed."""
        self.in_tokens += part.in_tokens
        self.in_nusd += part.in_nusd
        self.out_nusd += part.out_nusd
        if output_tokens is None:
            self.again_nusd += part.again_nusd
            self.each_nusd += part.each_nusd
            self.each_tokens += part.each_tokens
        else:
            self.in_nusd += part.again_nusd * output_tokens
            self.out_nusd += part.each_nusd * output_tokens
            self.in_tokens += part.each_tokens * output_tokens


def _attempt(
    asked: Asked,
    price: ModelPrice,
    tools: tuple[tuple[ServerTool, ServerWork], ...],
    factor: int,
) -> _Sum:
    """The samplings of one model: the first, one after each call of a tool, and compactions."""
    window = _window(price, asked)
    prompts = list(_prompts(_prompt(asked, window), window, [work for _, work in tools]))
    compactions = _compactions(asked, prompts)
    read = sum(prompts) + sum(compactions)
    rates = _dearest(price, asked, read)
    in_nusd, out_nusd = (-(-rate * factor // 1_000_000) for rate in rates)
    found = _Sum()
    found.in_tokens = read + COMPACTION_TOKENS * len(compactions)
    found.in_nusd = read * in_nusd
    found.in_nusd += sum(
        work.calls * price.server_tool_nusd.get(tool.name, 0) for tool, work in tools
    )
    found.out_nusd = COMPACTION_TOKENS * len(compactions) * out_nusd
    again = len(prompts) - 1 + len(compactions)
    found.again_nusd, found.each_nusd, found.each_tokens = again * in_nusd, out_nusd, again + 1
    return found


def _premium(asked: Asked, attempt: Attempt, price: ModelPrice) -> int | Unpriced:
    """What speed and region multiply the rates by, in millionths."""
    fields = asked.request.fields
    fast = fields.get("speed") == "fast" if attempt.fast is None else attempt.fast
    geo = fields.get("inference_geo") or "global"
    factor = 1
    for name, value in (("speed", "fast" if fast else "standard"), ("inference_geo", geo)):
        thousandths = premium(price, f"{name}.{value}")
        if thousandths is None:
            return Unpriced(
                f"`{name}` asks for what has no price for `{attempt.model[:100]}`; an operator may"
                " set one under `prices.premiums`"
            )
        factor *= thousandths
    return factor


def _prompts(first: int, window: int, works: list[ServerWork]) -> Iterator[int]:
    """The prompt of each sampling, grown by the largest results first."""
    prompt = first
    yield prompt
    for work in sorted(works, key=lambda one: -one.tokens):
        for _ in range(work.calls):
            prompt = min(prompt + work.tokens, window)
            yield prompt


def _compactions(asked: Asked, prompts: list[int]) -> list[int]:
    """The prompts that a compaction may read: any sampling at or past the trigger has one."""
    asks = asked.request.asks
    found = [prompts[0]] if asks.summarizes else []
    output = asked.request.max_tokens
    for trigger in asks.compact_triggers:
        least = _LEAST_TRIGGER_TOKENS if trigger is None else trigger
        found += [prompt for prompt in prompts if prompt + output >= least]
    return found


def _advice(book: PriceBook, asked: Asked, tool: ServerTool, work: ServerWork) -> _Sum | Unpriced:
    """What an advisor reads, which is the conversation, and says."""
    price = book.find(tool.model)
    if price is None:
        return _unknown(tool.model)
    most = tool.max_tokens or price.max_output_tokens
    if most is None:
        where = spelt_steps((*tool.steps, "max_tokens"))
        return Unpriced(f"nothing bounds what the advisor says: give `{where}`")
    window = _window(price, asked)
    works = [other for _, other in asked.tools()]
    prompt = list(_prompts(_prompt(asked, window), window, works))[-1]
    # Its advice is read by every sampling after it: at most as often as there are calls.
    prompt = min(prompt + most * work.calls, window)
    in_nusd, out_nusd = _dearest(price, asked, prompt)
    found = _Sum()
    found.in_tokens = work.calls * (prompt + most)
    found.in_nusd = work.calls * prompt * in_nusd
    found.out_nusd = work.calls * most * out_nusd
    found.again_nusd = work.calls * in_nusd
    found.each_tokens = work.calls
    return found


def _unreported(tool: ServerTool, work: ServerWork, prices: list[ModelPrice | None]) -> int:
    named = any(price is not None and tool.name in price.server_tool_nusd for price in prices)
    return work.request_nusd + (0 if named else work.calls * work.nusd)


def _limits(tool: ServerTool, work: ServerWork) -> Iterator[Change]:
    if not work.limited:
        return
    if tool.max_uses is None or tool.max_uses > work.calls:
        yield Change((*tool.steps, "max_uses"), work.calls)
    if tool.name == "web_fetch" and tool.max_content_tokens is None:
        yield Change((*tool.steps, "max_content_tokens"), work.tokens)


def _window(price: ModelPrice | None, asked: Asked) -> int:
    own = price.context_tokens if price is not None else 0
    return max(own, _WIDE_TOKENS) if asked.wide else own


def _prompt(asked: Asked, window: int) -> int:
    return window if asked.input_tokens is None else min(asked.input_tokens, window)


def _dearest(price: ModelPrice, asked: Asked, prompt_tokens: int) -> tuple[int, int]:
    """Nano-dollars a token of input and of output, at the dearest tier that can be reached."""
    asks = asked.request.asks
    if asks.server or asks.grants:
        prompt_tokens += asked.request.max_tokens  # What was said by then is prompt, too.
    reachable = [price.rates]
    reachable += [t.rates for t in price.tiers if prompt_tokens > t.above_prompt_tokens]
    return max(_input(rates, asked.request) for rates in reachable), max(
        rates.output_nusd for rates in reachable
    )


def _input(rates: Rates, request: ModelRequest) -> int:
    dearest = max(rates.input_nusd, rates.cache_read_nusd)
    # What tools bring is written to the cache by the provider's own loop.
    if request.cached or request.asks.server:
        dearest = max(dearest, rates.cache_write_5m_nusd)
    return max(dearest, rates.cache_write_1h_nusd) if request.cached_1h else dearest


def _unknown(model: str) -> Unpriced:
    return Unpriced(
        f"no price is known for the model `{model[:100]}`; add it to `prices.overrides` or use"
        " another"
    )
