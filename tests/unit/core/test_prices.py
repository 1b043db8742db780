"""Prices: which names are known, what is refused, what a bound covers."""

from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest

from holdfast.core.price_table import PRICE_TABLE
from holdfast.core.prices import PriceBook, Unpriced, rates_per_mtok
from holdfast.model.money import Cost, Usage, parse_usd
from holdfast.model.prices import ModelPrice, PriceTable, Rates, Tier
from scripts.compile_prices import nusd, render

BOOK = PriceBook(PRICE_TABLE)
OWN = ModelPrice(model="house-1", rates=Rates(10, 50, 1, 12, 20), context_tokens=1000)
TIERED = ModelPrice(
    model="t",
    rates=Rates(10, 50, 1, 12, 20),
    context_tokens=1000,
    tiers=(Tier(100, Rates(20, 70, 2, 24, 40)), Tier(200, Rates(30, 60, 3, 36, 60))),
    server_tool_nusd={"web_search": 1_000},
)
SMALL = PriceBook(PriceTable(source="s", valid_on="2026-01-01", models=(TIERED,)))


def test_the_table_is_what_the_script_makes():
    made: dict = {}
    day = datetime.fromisoformat(PRICE_TABLE.valid_on).replace(tzinfo=UTC)
    exec(compile(render(day), "price_table", "exec"), made)
    assert made["PRICE_TABLE"] == PRICE_TABLE


@pytest.mark.parametrize(
    ("model", "rates"),
    [
        ("claude-opus-5-5", Rates(4_000, 20_000, 200, 5_000, 8_000)),
        ("claude-opus-5", Rates(5_000, 25_000, 500, 6_250, 10_000)),
        ("claude-sonnet-5", Rates(2_000, 10_000, 200, 2_500, 4_000)),
        ("claude-haiku-4-5", Rates(1_000, 5_000, 100, 1_250, 2_000)),
        ("claude-fable-5", Rates(10_000, 50_000, 1_000, 12_500, 20_000)),
    ],
)
def test_the_models_of_the_bundled_cli_have_its_list_prices(model, rates):
    price = BOOK.find(model)
    assert price is not None
    assert price.rates == rates


def test_dated_names_and_aliases_mean_their_model():
    assert BOOK.find("claude-haiku-4-5-20251001") is BOOK.find("claude-haiku-4-5")
    assert BOOK.find("claude-opus-4-20250514") is BOOK.find("claude-opus-4-0")
    assert BOOK.find("claude-sonnet-4-20250514") is BOOK.find("claude-sonnet-4-0")
    assert BOOK.find("claude-opus-5-latest") is BOOK.find("claude-opus-5")


@pytest.mark.parametrize(
    "model",
    ["", "claude", "gpt-5", "claude-opus-9", "claude-haiku-4-5-turbo", "Claude-Opus-5-5",
     "claude-opus-5-5 ", "claude-opus-5-5-2026", "claude-opus-5-5-99990101", "claude-opus-5-5[1m]",
     "claude-opus-5-5-20260101-20260101", "claude-opus-5-5-2026010\u0661"],
)  # fmt: skip
def test_a_name_that_only_resembles_a_model_is_unknown(model):
    assert BOOK.find(model) is None
    assert isinstance(BOOK.cost(model, Usage(input_tokens=1)), Unpriced)


def test_every_name_of_the_table_is_found_and_means_one_model():
    names = [name for price in BOOK for name in (price.model, *price.aliases)]
    assert len(names) == len(set(names)) > 40
    for price in BOOK:
        for name in (price.model, *price.aliases, *(f"{stem}-20260101" for stem in price.dated)):
            assert BOOK.find(name) is price


def test_a_cost_keeps_input_and_output_apart():
    usage = Usage(
        input_tokens=1, cache_read_tokens=2, cache_write_5m_tokens=3, cache_write_1h_tokens=4,
        output_tokens=5, server_tool_calls={"web_search": 6},
    )  # fmt: skip
    assert SMALL.cost("t", usage) == Cost(10 + 2 + 36 + 80 + 6_000, 250)


@pytest.mark.parametrize(("prompt", "each"), [(100, 10), (101, 20), (200, 20), (201, 30)])
def test_a_tier_holds_for_the_whole_call_and_counts_cached_input(prompt, each):
    assert SMALL.cost("t", Usage(input_tokens=prompt)) == Cost(prompt * each, 0)
    cached = SMALL.cost("t", Usage(input_tokens=1, cache_read_tokens=prompt - 1))
    assert cached == Cost(each + (prompt - 1) * each // 10, 0)


def test_what_has_no_price_is_never_free():
    assert isinstance(SMALL.cost("t", Usage(server_tool_calls={"code": 1})), Unpriced)
    assert SMALL.cost("t", Usage(server_tool_calls={"code": 0})) == Cost(0, 0)
    assert isinstance(SMALL.cost("t", Usage(output_tokens=-1)), Unpriced)
    assert isinstance(SMALL.cost("t", Usage(server_tool_calls={"web_search": -1})), Unpriced)


def test_an_override_replaces_rates_and_keeps_names():
    cheaper = ModelPrice(
        model="claude-haiku-4-5", rates=Rates(1, 2, 3, 4, 5), context_tokens=100_000
    )
    book = PriceBook(PRICE_TABLE, [cheaper, OWN])
    found = book.find("claude-haiku-4-5-20251001")
    assert found is not None
    assert found.rates == cheaper.rates
    assert found.context_tokens == 100_000
    assert found.server_tool_nusd == {"web_search": 10_000_000}
    assert book.find("house-1") == OWN
    assert BOOK.find("house-1") is None


def test_an_override_of_an_alias_wins_for_that_name():
    own = msgspec.structs.replace(OWN, model="claude-opus-4")
    book = PriceBook(PRICE_TABLE, [own])
    assert book.find("claude-opus-4") == own
    assert book.find("claude-opus-4-20250514") == BOOK.find("claude-opus-4-0")


def test_rates_per_million_tokens_are_exact_or_refused():
    rates = rates_per_mtok(input_nusd=parse_usd("0.1"), output_nusd=parse_usd(3))
    assert rates == Rates(100, 3_000, 100, 200, 200)
    full = rates_per_mtok(
        input_nusd=parse_usd(4), output_nusd=parse_usd(20), cache_read_nusd=parse_usd("0.2"),
        cache_write_5m_nusd=parse_usd(5), cache_write_1h_nusd=parse_usd(8),
    )  # fmt: skip
    opus = BOOK.find("claude-opus-5-5")
    assert opus is not None
    assert full == opus.rates
    assert isinstance(rates_per_mtok(input_nusd=1, output_nusd=0), Unpriced)
    assert isinstance(rates_per_mtok(input_nusd=-1_000_000, output_nusd=0), Unpriced)


def test_the_script_refuses_to_round():
    with pytest.raises(ValueError, match="whole"):
        nusd(Decimal("0.0625"), 1_000_000)
    assert nusd(Decimal("0.01"), 1_000_000) == 10
