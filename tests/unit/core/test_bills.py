"""Prices to the nano-dollar: which model a name means, what each kind of token costs, every doubt."""

import pytest

from holdfast.core.prices import PriceBook, premium, rates_per_mtok
from holdfast.model.money import Bill, Cost, Sampled, Served, Usage
from holdfast.model.prices import ModelPrice, PriceTable, Rates, Tier, Unpriced

# Each place of a price is a digit, so that a sum shows what was counted.
OPUS = ModelPrice(
    model="opus",
    rates=Rates(1, 10, 100, 1_000, 10_000),
    context_tokens=1_000,
    aliases=("big", "other"),
    dated=("opus", "opus-v"),
    tiers=(Tier(5, Rates(2, 20, 200, 2_000, 20_000)), Tier(9, Rates(3, 30, 300, 3_000, 30_000))),
    server_tool_nusd={"web_search": 1_000_000},
    premiums={"speed.fast": 2_500, "inference_geo.us": 1_200},
)
OTHER = ModelPrice(model="other", rates=Rates(7, 70, 7, 7, 7), context_tokens=9)
BOOK = PriceBook(PriceTable(source="src", valid_on="2026-01-02", models=(OPUS, OTHER)))
ONE_EACH = Usage(
    input_tokens=1,
    cache_read_tokens=1,
    cache_write_5m_tokens=1,
    cache_write_1h_tokens=1,
    output_tokens=1,
)


def test_a_book_says_where_its_prices_come_from_and_holds_every_model():
    assert (BOOK.source, BOOK.valid_on, list(BOOK)) == ("src", "2026-01-02", [OPUS, OTHER])


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("opus", OPUS), ("big", OPUS), ("other", OTHER), ("opus-20260101", OPUS),
        ("opus-v-20991231", OPUS), ("big-20260101", None), ("opus-2026010", None),
        ("opus-202601011", None), ("opus-19990101", None), ("opus-20260101x", None),
        ("OPUS", None), ("", None), ("opus-\u0662\u0660260101", None),
    ],
)  # fmt: skip
def test_a_name_means_one_model_or_none(name, found):
    assert BOOK.find(name) is found


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        (ONE_EACH, Cost(11_101, 10)),
        (Usage(input_tokens=5), Cost(5, 0)),
        (Usage(input_tokens=6), Cost(12, 0)),
        (Usage(cache_read_tokens=3, cache_write_1h_tokens=3, output_tokens=1), Cost(60_600, 20)),
        (Usage(input_tokens=9), Cost(18, 0)),
        (Usage(input_tokens=10, output_tokens=2), Cost(30, 60)),
        (Usage(output_tokens=100), Cost(0, 1_000)),
        (Usage(server_tool_calls={"web_search": 2, "novel": 0}), Cost(2_000_000, 0)),
        (Usage(), Cost(0, 0)),
    ],
)
def test_each_kind_of_token_costs_its_own_at_the_tier_of_the_whole_prompt(usage, cost):
    assert BOOK.cost("opus", usage) == cost


@pytest.mark.parametrize(
    ("model", "usage", "reason"),
    [
        ("m" * 101, Usage(), f"no price is known for the model `{'m' * 100}`"),
        ("opus", Usage(output_tokens=-1), "the usage holds a negative count"),
        ("opus", Usage(input_tokens=-1), "the usage holds a negative count"),
        ("opus", Usage(cache_read_tokens=-1), "the usage holds a negative count"),
        ("opus", Usage(cache_write_5m_tokens=-1), "the usage holds a negative count"),
        ("opus", Usage(cache_write_1h_tokens=-1), "the usage holds a negative count"),
        (
            "opus",
            Usage(server_tool_calls={"web_search": -1}),
            "the usage holds a negative count",
        ),
        (
            "opus",
            Usage(server_tool_calls={"n" * 101: 1}),
            f"the server tool `{'n' * 100}` has no price",
        ),
        ("other", Usage(server_tool_calls={"web_fetch": 1}), "the server tool `web_fetch` has no price"),
    ],
)  # fmt: skip
def test_what_has_no_price_is_named(model, usage, reason):
    assert BOOK.cost(model, usage) == Unpriced(reason)


def bill(usage=ONE_EACH, **served):
    return BOOK.bill("opus", usage, Served(**served))


def billed(in_nusd, out_nusd, *doubts, tokens=5):
    return Bill(cost=Cost(in_nusd, out_nusd), tokens=tokens, doubts=doubts)


@pytest.mark.parametrize(
    ("served", "expected"),
    [
        ({}, billed(11_101, 10)),
        ({"model": "opus"}, billed(11_101, 10)),
        ({"model": "opus-20260101"}, billed(11_101, 10)),
        ({"model": "gone"}, billed(11_101, 10)),
        ({"model": "other"}, billed(11_101, 70, "model.other")),
        ({"unread": ("b", "a", "b")}, billed(11_101, 10, "a", "b")),
        ({"premiums": ("speed.fast",)}, billed(27_753, 25)),
        ({"premiums": ("speed.standard",)}, billed(11_101, 10)),
        ({"premiums": ("inference_geo.us",)}, billed(13_322, 12)),
        ({"premiums": ("inference_geo.us", "speed.fast")}, billed(33_303, 30)),
        ({"premiums": ("speed.fast", "speed.standard")}, billed(27_753, 25)),
        ({"premiums": ("speed.warp",)}, billed(11_101, 10, "speed.warp")),
        ({"premiums": ("service_tier.standard", "inference_geo.global")}, billed(11_101, 10)),
    ],
)
def test_ways_of_serving_and_who_answered_are_billed_or_doubted(served, expected):
    assert bill(**served) == expected


def sampled(kind, model="", **usage):
    return Sampled(kind=kind, model=model, usage=Usage(**usage))


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ([sampled("message", input_tokens=3)], billed(11_101, 10)),
        ([sampled("message", output_tokens=3)], billed(11_101, 30)),
        (
            [sampled("message", output_tokens=3), sampled("message", output_tokens=4)],
            billed(11_101, 70, tokens=7),
        ),
        ([sampled("compaction", output_tokens=3)], billed(11_101, 40, tokens=8)),
        ([sampled("advisor_message", "other", output_tokens=1)], billed(11_101, 80, tokens=6)),
        ([sampled("novel", input_tokens=1)], billed(11_102, 10, tokens=6)),
        (
            [sampled("compaction", "gone", output_tokens=3)],
            billed(11_101, 10, "iterations.model.gone"),
        ),
    ],
)
def test_samplings_are_billed_beside_the_answer_or_as_the_dearer_reading_of_it(samples, expected):
    assert bill(sampled=tuple(samples)) == expected


def test_an_answer_by_a_declared_fallback_is_billed_at_its_own_price():
    fallback = sampled("fallback_message", "other", output_tokens=1)
    assert bill(model="opus", sampled=(fallback,)) == billed(11_101, 70)
    served = Served(model="other", sampled=(fallback,))
    assert BOOK.bill("opus", ONE_EACH, served) == billed(28, 70)


def test_tools_of_the_provider_are_billed_whatever_the_ways_and_free_ones_cost_nothing():
    usage = Usage(
        input_tokens=2,
        server_tool_calls={"web_search": 2, "web_fetch": 5, "tool_search": 1, "x": 1},
    )
    assert bill(usage, premiums=("speed.fast",)) == billed(
        2_000_005, 0, "server_tool_use.x", tokens=2
    )


def test_a_model_that_was_asked_and_has_no_price_is_unpriced():
    assert BOOK.bill("gone", ONE_EACH, Served()) == Unpriced(
        "no price is known for the model `gone`"
    )


def test_an_override_keeps_what_it_leaves_out_and_prices_what_is_served_under_it():
    plain = ModelPrice(model="opus", rates=Rates(5, 5, 5, 5, 5), context_tokens=1)
    book = PriceBook(PriceTable(source="s", valid_on="d", models=(OPUS, OTHER)), [plain])
    kept = book.find("big")
    assert kept == ModelPrice(
        model="opus",
        rates=plain.rates,
        context_tokens=1,
        aliases=OPUS.aliases,
        dated=OPUS.dated,
        server_tool_nusd=OPUS.server_tool_nusd,
        premiums=OPUS.premiums,
    )
    assert book.bill("opus", ONE_EACH, Served(model="other")) == billed(20, 5)
    own = ModelPrice(
        model="opus",
        rates=plain.rates,
        context_tokens=1,
        aliases=("mine",),
        dated=("mine",),
        server_tool_nusd={"x": 1},
        premiums={"speed.fast": 9, "speed.warp": 8},
    )
    changed = PriceBook(PriceTable(source="s", valid_on="d", models=(OPUS,)), [own]).find("opus")
    assert changed is not None
    assert (changed.aliases, changed.dated, changed.server_tool_nusd) == (
        ("mine",), ("mine",), {"x": 1},
    )  # fmt: skip
    assert changed.premiums == {"speed.fast": 9, "inference_geo.us": 1_200, "speed.warp": 8}
    new = ModelPrice(model="new", rates=plain.rates, context_tokens=1)
    assert PriceBook(PriceTable(source="s", valid_on="d", models=()), [new]).find("new") is new


@pytest.mark.parametrize(
    ("way", "thousandths"),
    [
        ("speed.fast", 2_500),
        ("inference_geo.us", 1_200),
        ("service_tier.standard", 1_000),
        ("x", None),
    ],
)
def test_a_premium_is_the_models_own_or_the_houses(way, thousandths):
    assert premium(OPUS, way) == thousandths
    assert premium(OTHER, "inference_geo.us") == 1_100


M = 1_000_000


@pytest.mark.parametrize(
    ("given", "rates"),
    [
        ({"input_nusd": 3 * M, "output_nusd": 5 * M}, Rates(3, 5, 3, 6, 6)),
        (
            {"input_nusd": 3 * M, "output_nusd": 5 * M, "cache_read_nusd": 0,
             "cache_write_5m_nusd": M, "cache_write_1h_nusd": 2 * M},
            Rates(3, 5, 0, 1, 2),
        ),
        ({"input_nusd": 0, "output_nusd": 0}, Rates(0, 0, 0, 0, 0)),
        ({"input_nusd": 3 * M, "output_nusd": M - 1}, None),
        ({"input_nusd": 3 * M, "output_nusd": -M}, None),
        ({"input_nusd": M // 2, "output_nusd": M}, None),
    ],
)  # fmt: skip
def test_rates_of_a_million_tokens_are_whole_nano_dollars_a_token(given, rates):
    expected = rates or Unpriced("a rate must be a whole number of nano-dollars per token")
    assert rates_per_mtok(**given) == expected
