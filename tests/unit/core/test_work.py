"""The bound of a request covers every sampling that the provider may do for it, or names what does not."""

import json

import pytest

from holdfast.core.messages import ModelRequest, read_request
from holdfast.core.prices import PriceBook
from holdfast.core.wire.admitted import Admission, Admitted, Sort
from holdfast.core.wire.splicing import Change
from holdfast.core.wire.tools import WORK
from holdfast.core.work import COMPACTION_TOKENS, Asked, Bound, bound_of
from holdfast.model.prices import ModelPrice, PriceTable, Rates, Tier, Unpriced

PLAIN = Rates(10, 50, 1, 12, 20)
TIERED = ModelPrice(
    model="t",
    rates=PLAIN,
    context_tokens=1000,
    tiers=(Tier(100, Rates(20, 70, 2, 24, 40)), Tier(200, Rates(30, 60, 3, 36, 60))),
    server_tool_nusd={"web_search": 1_000},
)
FLAT = ModelPrice(
    model="flat",
    rates=PLAIN,
    context_tokens=1_000_000,
    server_tool_nusd={"web_search": 7},
    premiums={"speed.fast": 6000},
)
OTHER = ModelPrice(model="other", rates=Rates(100, 500, 10, 125, 200), context_tokens=500_000)
BOOK = PriceBook(PriceTable(source="s", valid_on="2026-01-01", models=(TIERED, FLAT, OTHER)))
SEARCH = {"type": "web_search_20250305", "name": "web_search"}


def asked(tokens=1000, admitted=(), uses=None, wide=False, **fields) -> Asked:
    body = {"model": "flat", "max_tokens": 10, "messages": []} | fields
    lines = Admitted(admitted)
    request = read_request(json.dumps(body).encode(), lines)
    assert isinstance(request, ModelRequest), request
    return Asked(request=request, input_tokens=tokens, admitted=lines, uses=uses, wide=wide)


def bound(*args, **fields) -> Bound:
    found = bound_of(BOOK, asked(*args, **fields))
    assert isinstance(found, Bound), found
    return found


def refusal(*args, **fields) -> str:
    found = bound_of(BOOK, asked(*args, **fields))
    assert isinstance(found, Unpriced)
    return found.reason


def test_a_plain_request_reads_its_prompt_once():
    got = bound(1000)
    assert (got.in_tokens, got.in_nusd, got.out_nusd_per_token) == (1000, 10_000, 50)
    assert (got.in_nusd_per_token, got.tokens_per_token, got.out_nusd) == (0, 1, 0)


@pytest.mark.parametrize(
    ("tokens", "cache", "rate"),
    [
        (100, None, 10),
        (100, {"type": "ephemeral"}, 12),
        (100, {"type": "ephemeral", "ttl": "1h"}, 20),
        (101, {"type": "ephemeral", "ttl": "1h"}, 40),
        (201, None, 30),
    ],
)
def test_the_dearest_rate_follows_cache_marks_and_length(tokens, cache, rate):
    more = {"cache_control": cache} if cache else {}
    assert bound(tokens, model="t", **more).in_nusd == tokens * rate


def test_output_is_bounded_at_the_dearest_tier_that_can_be_reached():
    assert bound(300, model="t").out_nusd_per_token == 70


def test_without_a_bound_on_the_prompt_it_is_the_window_and_a_beta_widens_it():
    assert bound(None, model="t").in_tokens == 1000
    assert bound(None, model="t", wide=True).in_tokens == 1_000_000


def test_after_each_use_of_a_tool_of_the_provider_the_grown_prompt_is_read_again():
    got = bound(1000, tools=[SEARCH | {"max_uses": 2}])
    prompts = 1000 + 21_000 + 41_000
    assert got.in_tokens == prompts
    assert got.in_nusd == prompts * 12 + 2 * 7  # What tools bring may be written to the cache.
    assert (got.in_nusd_per_token, got.tokens_per_token) == (2 * 12, 3)


@pytest.mark.parametrize(
    "place",
    [
        {"tools": [SEARCH]},
        {"messages": [{"role": "system", "content": [
            {"type": "tool_addition", "tool": {"type": "tool_definition", "definition": SEARCH}}]}]},
        {"messages": [{"role": "assistant", "content": [
            {"type": "compaction", "content": "x", "tool_changes": [
                {"type": "tool_addition",
                 "tool": {"type": "tool_definition", "definition": SEARCH}}]}]}]},
    ],
    ids=["tools", "system-message", "compaction"],
)  # fmt: skip
def test_a_tool_without_max_uses_is_held_for_and_limited_wherever_it_is_defined(place):
    got = asked(1000, **place)
    assert bound(1000, **place).in_tokens == sum(1000 + n * 20_000 for n in range(6))
    [change] = got.changes()
    assert change.steps[-1] == "max_uses"
    assert change.value == 5
    assert bound(1000, uses=1, **place).in_tokens == 1000 + 21_000
    assert asked(1000, uses=1, **place).changes() == (Change(change.steps, 1),)


def test_a_fetch_is_limited_in_how_often_and_how_much():
    fetch = {"type": "web_fetch_20250910", "name": "web_fetch"}
    assert {(c.steps[-1], c.value) for c in asked(tools=[fetch]).changes()} == {
        ("max_uses", 5),
        ("max_content_tokens", 25_000),
    }
    own = fetch | {"max_uses": 1, "max_content_tokens": 70_000}
    assert asked(tools=[own]).changes() == ()
    assert bound(1000, tools=[own]).in_tokens == 1000 + 71_000


def test_code_execution_is_bounded_by_the_providers_loop_and_its_container_is_charged():
    tool = {"type": "code_execution_20250825", "name": "code_execution"}
    got = bound(1000, tools=[tool])
    assert got.in_tokens == sum(1000 + n * 5_000 for n in range(11))
    assert got.unreported_nusd == 50_000_000
    assert bound(1000, container="c").unreported_nusd == 50_000_000


def test_an_operators_own_bound_takes_the_place_of_the_tables():
    line = Admission(sort=Sort.TOOL, name="code_execution", calls=2, tokens=100)
    tool = {"type": "code_execution_20250825", "name": "code_execution"}
    assert bound(1000, admitted=[line], tools=[tool]).in_tokens == 1000 + 1100 + 1200
    cap = Admission(sort=Sort.TOOL, name="web_search", calls=1, tokens=10)
    greedy = [SEARCH | {"max_uses": 50}]
    assert asked(admitted=[cap], tools=greedy).changes()[0].value == 1


def test_an_operators_own_price_of_a_tool_takes_the_place_of_the_tables():
    tool = {"type": "code_execution_20250825", "name": "code_execution"}
    lines = [
        Admission(sort=Sort.TOOL, name="code_execution", calls=2, tokens=100, nusd=nusd)
        for nusd in (0, 500, 700)
    ]
    plain, cheap, dear = [asked(admitted=[one], tools=[tool]).tools()[0][1].nusd for one in lines]
    assert (plain, cheap, dear) == (WORK["code_execution"].nusd, 500, 700)


def test_a_tool_beyond_the_table_costs_what_its_line_says():
    line = Admission(sort=Sort.TOOL, name="oracle_20990101", calls=3, tokens=10, nusd=500)
    tool = {"type": "oracle_20990101", "name": "oracle", "anything": [1]}
    got = bound(1000, admitted=[line], tools=[tool])
    assert got.in_tokens == 1000 + 1010 + 1020 + 1030
    assert got.unreported_nusd == 1500
    assert got.in_nusd == got.in_tokens * 12 + 1500


def test_each_block_and_field_that_was_admitted_costs_what_its_line_says():
    lines = [
        Admission(sort=Sort.BLOCK, name="novel", at=("messages.content",), nusd=300),
        Admission(sort=Sort.FIELD, name="extra", nusd=7),
    ]
    said = {"role": "user", "content": [{"type": "novel"}, {"type": "novel"}]}
    got = bound(1000, admitted=lines, messages=[said], extra=True)
    assert got.unreported_nusd == 607
    assert got.in_nusd == bound(1000).in_nusd + 607
    assert bound(1000, admitted=lines).unreported_nusd == 0


def test_each_fallback_is_a_call_of_its_own():
    one = bound(1000)
    got = bound(1000, fallbacks=[{"model": "other", "max_tokens": 7}])
    assert got.in_nusd == one.in_nusd + 1000 * 100
    assert got.out_nusd == 7 * 500
    assert got.out_nusd_per_token == 50
    follows = bound(1000, fallbacks=[{"model": "other"}, {"model": "flat"}])
    assert follows.out_nusd_per_token == 50 + 500 + 50


def test_speed_multiplies_and_without_a_price_is_named():
    assert bound(1000, speed="fast").in_nusd == 60_000
    assert bound(1000, speed=None).in_nusd == 10_000
    assert bound(1000, model="other", fallbacks=[{"model": "flat", "speed": "fast"}]).in_nusd == (
        100_000 + 60_000
    )
    assert "`speed`" in refusal(model="other", speed="fast")
    assert "`speed`" in refusal(model="flat", fallbacks=[{"model": "other", "speed": "fast"}])
    # A fallback that says nothing goes as fast as the request.
    assert "`speed`" in refusal(model="flat", speed="fast", fallbacks=[{"model": "other"}])
    assert "`inference_geo`" in refusal(inference_geo="mars")
    assert bound(1000, inference_geo="us").in_nusd == 11_000


def test_what_names_an_unknown_model_is_refused_wherever_it_is_named():
    assert "nowhere" in refusal(model="nowhere")
    assert "nowhere" in refusal(fallbacks=[{"model": "nowhere"}])
    advisor = {"type": "advisor_20260301", "name": "advisor", "model": "nowhere", "max_tokens": 1}
    assert "nowhere" in refusal(tools=[advisor])


def test_an_advisor_is_paid_at_its_own_price_and_needs_a_bound_on_what_it_says():
    advisor = {"type": "advisor_20260301", "name": "advisor", "model": "other", "max_uses": 1}
    assert "`tools[0].max_tokens`" in refusal(tools=[advisor])
    got = bound(1000, tools=[advisor | {"max_tokens": 100}])
    plain = 1000 + 1100  # It reads on with the advice in its prompt.
    assert got.out_nusd == 100 * 500
    assert got.in_nusd == plain * 12 + (1000 + 100 + 100) * 125
    assert got.in_nusd_per_token == 12 + 125


def test_a_compaction_is_one_more_reading_and_a_summary():
    edits = {"edits": [{"type": "compact_20260112"}]}
    assert bound(1000, context_management=edits) == bound(1000)  # Never reached.
    got = bound(60_000, context_management=edits)
    assert got.in_nusd == 2 * 60_000 * 10
    assert got.out_nusd == COMPACTION_TOKENS * 50
    late = {"edits": [{"type": "compact_20260112",
                       "trigger": {"type": "input_tokens", "value": 70_000}}]}  # fmt: skip
    assert bound(60_000, context_management=late).out_nusd == 0
    assert bound(1000, compaction={"type": "summarize"}).out_nusd == COMPACTION_TOKENS * 50


def test_what_is_admitted_with_a_price_is_charged_once_a_request():
    lines = [Admission(sort=Sort.FIELD, name="novel", nusd=9, tokens=50)]
    got = bound(1000, admitted=lines, novel={"deep": []})
    assert (got.in_nusd, got.unreported_nusd) == (10_009, 9)
