"""Costs equal genai-prices to the nano-dollar, and no cost exceeds its bound."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import genai_prices
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from holdfast.core.messages import ModelRequest, read_request
from holdfast.core.price_table import PRICE_TABLE
from holdfast.core.prices import PriceBook
from holdfast.core.work import Asked, Bound, bound_of
from holdfast.model.money import Cost, Usage

BOOK = PriceBook(PRICE_TABLE)
DAY = datetime.fromisoformat(PRICE_TABLE.valid_on).replace(tzinfo=UTC)
MODELS = [price.model for price in BOOK]

tokens = st.integers(0, 300) | st.integers(0, 400_000)
usages = st.builds(
    Usage,
    input_tokens=tokens,
    cache_read_tokens=tokens,
    cache_write_5m_tokens=tokens,
    cache_write_1h_tokens=tokens,
    output_tokens=tokens,
)


@pytest.mark.parametrize("model", MODELS)
@settings(max_examples=40)
@given(usages, st.integers(0, 50))
def test_every_cost_equals_the_source_to_the_nano_dollar(model, usage, searches):
    price = BOOK.find(model)
    assert price is not None
    searches = searches if price.server_tool_nusd else 0
    ours = BOOK.cost(
        model,
        Usage(
            input_tokens=usage.input_tokens,
            cache_read_tokens=usage.cache_read_tokens,
            cache_write_5m_tokens=usage.cache_write_5m_tokens,
            cache_write_1h_tokens=usage.cache_write_1h_tokens,
            output_tokens=usage.output_tokens,
            server_tool_calls={"web_search": searches},
        ),
    )
    theirs = genai_prices.calc_price(
        genai_prices.Usage(
            input_tokens=usage.prompt_tokens,
            cache_read_tokens=usage.cache_read_tokens,
            cache_write_tokens=usage.cache_write_5m_tokens + usage.cache_write_1h_tokens,
            cache_write_1h_tokens=usage.cache_write_1h_tokens,
            output_tokens=usage.output_tokens,
            web_searches=searches,
        ),
        model,
        provider_id="anthropic",
        genai_request_timestamp=DAY,
    )
    assert isinstance(ours, Cost)
    assert Decimal(ours.total_nusd) == theirs.total_price * 1_000_000_000
    assert Decimal(ours.out_nusd) == theirs.output_price * 1_000_000_000


@given(st.sampled_from(MODELS), usages, st.integers(0, 1000), st.integers(0, 1000))
def test_no_cost_exceeds_its_bound(model, usage, more_in, more_out):
    cost = BOOK.cost(model, usage)
    price = BOOK.find(model)
    assert price is not None
    mark = {"type": "ephemeral", "ttl": "1h" if usage.cache_write_1h_tokens else "5m"}
    cached = usage.cache_write_5m_tokens or usage.cache_write_1h_tokens
    body = {
        "model": model,
        "max_tokens": usage.output_tokens + more_out,
        "messages": [],
        **({"cache_control": mark} if cached else {}),
    }
    request = read_request(json.dumps(body).encode())
    assert isinstance(request, ModelRequest)
    bound = bound_of(
        BOOK, Asked(request=request, input_tokens=usage.prompt_tokens + more_in, wide=True)
    )
    assert isinstance(cost, Cost)
    assert isinstance(bound, Bound)
    assume(usage.prompt_tokens <= max(price.context_tokens, 1_000_000))
    assert cost.in_nusd <= bound.in_nusd
    assert cost.out_nusd <= bound.out_nusd + bound.out_nusd_per_token * request.max_tokens


@given(st.sampled_from(MODELS), usages, usages)
def test_more_usage_never_costs_less(model, one, two):
    both = Usage(
        input_tokens=one.input_tokens + two.input_tokens,
        cache_read_tokens=one.cache_read_tokens + two.cache_read_tokens,
        cache_write_5m_tokens=one.cache_write_5m_tokens + two.cache_write_5m_tokens,
        cache_write_1h_tokens=one.cache_write_1h_tokens + two.cache_write_1h_tokens,
        output_tokens=one.output_tokens + two.output_tokens,
    )
    first, second, together = (BOOK.cost(model, usage) for usage in (one, two, both))
    assert isinstance(first, Cost)
    assert isinstance(second, Cost)
    assert isinstance(together, Cost)
    assert together.total_nusd >= first.total_nusd + second.total_nusd
