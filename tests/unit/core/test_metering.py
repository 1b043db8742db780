"""Usage only grows, the dearer reading wins, and what is not known is named."""

import itertools
import json

import pytest

from holdfast.core.metering import Metered
from holdfast.core.price_table import PRICE_TABLE
from holdfast.core.prices import PriceBook
from holdfast.core.stream import Broken, read_answer
from holdfast.model.money import Bill, Sampled, Served, Usage
from holdfast.model.prices import ModelPrice, Rates

OPUS, HAIKU = "claude-opus-4-6", "claude-haiku-4-5"
BOOK = PriceBook(PRICE_TABLE)
FULL = {
    "input_tokens": 100,
    "output_tokens": 50,
    "cache_read_input_tokens": 30,
    "cache_creation_input_tokens": 20,
    "cache_creation": {"ephemeral_5m_input_tokens": 15, "ephemeral_1h_input_tokens": 5},
    "server_tool_use": {"web_search_requests": 2},
}
LESS = [
    {"input_tokens": 1, "output_tokens": 2, "cache_read_input_tokens": 3},
    {"input_tokens": 0, "output_tokens": 0, "cache_creation_input_tokens": 0},
    {"cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0}},
    {"server_tool_use": {"web_search_requests": 0}, "output_tokens": 0},
    {"cache_creation_input_tokens": 20, "cache_creation": None},
    {},
]


def metered(*reports, hour=False):
    meter = Metered(cached_1h=hour)
    for report in reports:
        meter.take(report, final=True)
    return meter


@pytest.mark.parametrize("less", LESS)
def test_a_smaller_report_changes_nothing_before_or_after(less):
    alone = metered(FULL).usage()
    assert metered(FULL, less).usage() == alone
    assert metered(less, FULL).usage() == alone
    assert metered(less, FULL, *LESS).usage() == alone
    assert alone == Usage(
        input_tokens=100,
        output_tokens=50,
        cache_read_tokens=30,
        cache_write_5m_tokens=15,
        cache_write_1h_tokens=5,
        server_tool_calls={"web_search": 2},
    )


def test_a_finer_report_of_what_was_cached_takes_nothing_away():
    split = {"cache_creation": {"ephemeral_5m_input_tokens": 1000, "ephemeral_1h_input_tokens": 0}}
    later = {"cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 600}}
    for order in itertools.permutations(({"cache_creation_input_tokens": 1200}, split, later)):
        usage = metered(*order).usage()
        assert usage.cache_write_1h_tokens + usage.cache_write_5m_tokens == 1200
        # 200 of them have no lifetime, and one hour is in play.
        assert usage.cache_write_1h_tokens == 800


def test_readings_of_any_order_cost_the_same():
    costs = {
        str(BOOK.bill(OPUS, meter.usage(), meter.served()))
        for order in itertools.permutations((FULL, *LESS[:3], {"speed": "standard"}))
        for meter in (metered(*order),)
    }
    assert len(costs) == 1


@pytest.mark.parametrize(
    ("usage", "name"),
    [
        ({"input_tokens": "12"}, "input_tokens"),
        ({"output_tokens": 1.5}, "output_tokens"),
        ({"input_tokens": -3}, "input_tokens"),
        ({"output_tokens": True}, "output_tokens"),
        ({"output_tokens": 10**30}, "output_tokens"),
        ({"audio_tokens": 7}, "audio_tokens"),
        ({"audio": {"seconds": [0, 3]}}, "audio"),
        ({"speed": 3}, "speed"),
        ({"cache_creation": 3}, "cache_creation"),
        ({"cache_creation": {"ephemeral_1d_input_tokens": 3}}, None),
        ({"cache_creation": {"ephemeral_5m_input_tokens": "x"}}, None),
        ({"server_tool_use": {"web_search_requests": "2"}}, "server_tool_use.web_search_requests"),
        ({"server_tool_use": 4}, "server_tool_use"),
        ({"iterations": 3}, "iterations"),
        ({"iterations": ["x"]}, "iterations"),
        ({"iterations": [{"type": "dreaming", "input_tokens": 1}]}, "iterations.type"),
        ({"iterations": [{"type": "message", "seconds": 1}]}, "iterations.seconds"),
        ({"iterations": [{"type": "message", "model": 4}]}, "iterations.model"),
        ({"iterations": [{"type": "message", "input_tokens": "1"}]}, "iterations.input_tokens"),
    ],
)
def test_a_figure_that_is_not_known_is_named_and_never_free(usage, name):
    served = metered(FULL, usage).served()
    assert served.unread
    assert name is None or name in served.unread
    bill = BOOK.bill(OPUS, metered(FULL, usage).usage(), served)
    assert isinstance(bill, Bill)
    assert bill.doubts


@pytest.mark.parametrize(
    "usage",
    [
        {"audio_tokens": 0, "audio": {"seconds": [0, 0.0]}, "note": "", "kinds": None},
        {"output_tokens_details": {"thinking_tokens": 4}, "fallback_credit": {"status": "x"}},
        {"speed": None, "iterations": [], "server_tool_use": None, "cache_creation": None},
        {"server_tool_use": {"web_fetch_requests": 3, "web_search_requests": 0}},
        {"server_tool_use": {"tool_search_requests": 2}},
        {"speed": "standard", "service_tier": "standard", "inference_geo": "global"},
    ],
)
def test_noughts_and_what_adds_nothing_leave_a_bill_exact(usage):
    meter = metered(FULL, usage)
    bill = BOOK.bill(OPUS, meter.usage(), meter.served())
    assert isinstance(bill, Bill)
    assert not bill.doubts


def test_an_answer_without_input_or_with_output_and_none_counted_has_not_said_its_usage():
    assert not metered({"input_tokens": 0, "output_tokens": 5}).saw_usage
    meter = metered({"input_tokens": 3, "output_tokens": 0})
    assert meter.saw_usage
    assert meter.final
    meter.output_bytes = 4
    assert not meter.final


TOKENS = Usage(input_tokens=1_000, output_tokens=100)


def bill(served, usage=TOKENS, book=BOOK, model=OPUS):
    made = book.bill(model, usage, served)
    assert isinstance(made, Bill)
    return made


def test_what_is_sampled_beside_the_message_is_billed_on_top_at_its_own_price():
    alone = bill(Served())
    aside = Sampled(kind="compaction", usage=Usage(input_tokens=10, output_tokens=1))
    advice = Sampled(kind="advisor_message", model=HAIKU, usage=aside.usage)
    both = bill(Served(sampled=(aside, advice)))
    assert both.cost.in_nusd == alone.cost.in_nusd + 10 * 5_000 + 10 * 1_000
    assert both.cost.out_nusd == alone.cost.out_nusd + 25_000 + 5_000
    assert both.tokens == alone.tokens + 22
    assert not both.doubts


def test_samplings_of_the_message_count_where_they_come_to_more_and_only_then():
    less = Sampled(kind="message", usage=Usage(input_tokens=10, output_tokens=1))
    more = Sampled(kind="message", usage=Usage(input_tokens=2_000, output_tokens=300))
    assert bill(Served(sampled=(less,))) == bill(Served())
    assert bill(Served(sampled=(more,))).cost.total_nusd == 2_000 * 5_000 + 300 * 25_000


def test_a_compaction_is_never_settled_at_nothing():
    body = {
        "id": "m",
        "content": [],
        "stop_reason": "compaction",
        "usage": {
            "input_tokens": 0,
            "output_tokens": 0,
            "iterations": [{"type": "compaction", "input_tokens": 900, "output_tokens": 40}],
        },
    }
    read = read_answer(json.dumps(body).encode(), cached_1h=False)
    assert not isinstance(read, Broken)
    reading = read[0].reading()
    assert bill(reading.served, reading.usage).cost.total_nusd == 900 * 5_000 + 40 * 25_000


@pytest.mark.parametrize(
    ("ways", "thousandths"),
    [
        ((), 1000),
        (("speed.standard", "service_tier.standard"), 1000),
        (("inference_geo.us",), 1100),
        (("inference_geo.global", "inference_geo.us"), 1100),
    ],
)
def test_ways_of_serving_that_have_a_price_are_billed_at_it(ways, thousandths):
    made = bill(Served(premiums=ways))
    assert made.cost.total_nusd == bill(Served()).cost.total_nusd * thousandths // 1000
    assert not made.doubts


@pytest.mark.parametrize("way", ["speed.fast", "inference_geo.mars", "service_tier.priority"])
def test_ways_of_serving_without_a_price_are_doubts_until_somebody_prices_them(way):
    assert bill(Served(premiums=(way,))).doubts == (way,)
    own = ModelPrice(
        model=OPUS,
        rates=Rates(5_000, 25_000, 500, 6_250, 10_000),
        context_tokens=1_000_000,
        premiums={way: 6_000},
    )
    made = bill(Served(premiums=(way, "inference_geo.us")), book=PriceBook(PRICE_TABLE, [own]))
    factor = 6 if way.startswith("inference_geo") else 6.6
    assert made.cost.total_nusd == bill(Served()).cost.total_nusd * factor
    assert not made.doubts


def test_who_answered_is_billed_where_it_is_dearer_and_a_declared_fallback_at_its_own_price():
    dearer = bill(Served(model=OPUS), model=HAIKU)
    assert dearer.cost == bill(Served()).cost
    assert dearer.doubts == (f"model.{OPUS}",)
    cheaper = bill(Served(model=HAIKU))
    assert cheaper.cost == bill(Served()).cost
    assert cheaper.doubts
    hop = Sampled(kind="fallback_message", model=HAIKU, usage=TOKENS)
    declared = bill(Served(model=HAIKU, sampled=(hop,)))
    assert declared.cost == bill(Served(), model=HAIKU).cost
    assert not declared.doubts


def test_a_sampling_of_a_model_without_a_price_is_a_doubt():
    hop = Sampled(kind="advisor_message", model="claude-unheard-of", usage=TOKENS)
    assert bill(Served(sampled=(hop,))).doubts == ("iterations.model.claude-unheard-of",)


@pytest.mark.parametrize("name", ["", f"{OPUS}-20260101", "eu.anthropic.something-v1:0"])
def test_a_dated_name_or_one_of_a_vendor_s_own_means_the_model_that_was_asked(name):
    assert bill(Served(model=name)) == bill(Served())
