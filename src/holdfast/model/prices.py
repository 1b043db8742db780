"""What a model costs: integer nano-dollars a token, by tier of the prompt's length.

Not here: the pinned table (`core/price_table`), the arithmetic (`core/prices`).
"""

import msgspec


class Rates(msgspec.Struct, frozen=True):
    """Nano-dollars per token: uncached input, output, cache read, cache write for 5 min and 1 h."""

    input_nusd: int
    output_nusd: int
    cache_read_nusd: int
    cache_write_5m_nusd: int
    cache_write_1h_nusd: int


class Tier(msgspec.Struct, frozen=True):
    """Rates of a whole call whose prompt, cached or not, exceeds `above_prompt_tokens`."""

    above_prompt_tokens: int
    rates: Rates


class ModelPrice(msgspec.Struct, frozen=True, kw_only=True):
    """The price of one model.

    `aliases` are further exact ids. `dated` are the ids that may carry a release date
    (`<id>-YYYYMMDD`) and still mean this model. `tiers` ascend. `server_tool_nusd` is per
    request. `max_output_tokens` is None where the source does not say. `premiums` says what a way
    of serving (`speed.fast`) costs, in thousandths of the rates.
    """

    model: str
    rates: Rates
    context_tokens: int
    aliases: tuple[str, ...] = ()
    dated: tuple[str, ...] = ()
    tiers: tuple[Tier, ...] = ()
    server_tool_nusd: dict[str, int] = {}
    max_output_tokens: int | None = None
    premiums: dict[str, int] = {}


class PriceTable(msgspec.Struct, frozen=True, kw_only=True):
    """All prices of one source: `source` names it with its version, `valid_on` is YYYY-MM-DD."""

    source: str
    valid_on: str
    models: tuple[ModelPrice, ...]


class Unpriced(msgspec.Struct, frozen=True):
    """Why no cost can be given; `reason` is one lower-case sentence. Never to be read as free."""

    reason: str
