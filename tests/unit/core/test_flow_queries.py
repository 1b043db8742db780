"""Queries to a search provider: what is one, what is a payload, and what many of them carry.

The corpus was written before the rule; of each side a third (by the digest of the name) was kept
apart until it stood.
"""

import json
import time
from pathlib import Path

import pytest

from holdfast.core.builtin_tools import BUILTIN_TOOLS
from holdfast.core.flow.queries import Residue, over, query_of, read_query, residue_of
from holdfast.core.flow.vouched import Given, Vouched
from holdfast.core.scrub import RuleScrubber
from holdfast.model.sessions import LoopLimits

CORPUS = json.loads((Path(__file__).parent / "flow_queries.json").read_text("utf-8"))
SEARCH = next(contract for contract in BUILTIN_TOOLS if contract.name == "WebSearch")
MOST = LoopLimits().query_bytes
SCRUB = RuleScrubber()


def heard(typed="", said=""):
    vouched = Vouched()
    vouched.trust(typed)
    vouched.learn(Given(text=said))
    vouched.taint("WebFetch")
    return vouched


def fault(case):
    """Why one call of the corpus is no bounded query; empty where it is."""
    vouched = heard(case["typed"])
    vouched.tainted = case["tainted"]
    read = read_query(SEARCH, case["arguments"], vouched, Residue())
    if SCRUB.tree(case["arguments"]) != case["arguments"]:
        return "holds what looks like a secret"
    return read.fault or over(read, MOST)


@pytest.mark.parametrize("case", CORPUS["honest"], ids=lambda case: case["name"])
def test_what_people_search_for_is_a_bounded_query(case):
    assert fault(case) == ""


@pytest.mark.parametrize("case", CORPUS["payloads"], ids=lambda case: case["name"])
def test_what_carries_something_out_or_names_where_to_is_none(case):
    assert fault(case)


@pytest.mark.parametrize("case", CORPUS["drips"], ids=lambda case: case["name"])
def test_many_queries_carry_no_more_than_the_session_may(case):
    vouched, sent, passed = heard(case["typed"]), Residue(), []
    # Whatever stops the drip in the end, it goes on for as long as it can.
    for query in case["queries"] * 20:
        read = read_query(SEARCH, {"query": query}, vouched, sent)
        if read.fault or over(read, MOST - sent.spent):
            continue
        sent.hold(read.residue)
        sent.sent(read.text)
        passed.append(query)
    assert passed, "each of them is a query by itself"
    assert len(passed) < 20 * len(case["queries"])
    assert sent.spent <= MOST
    news = {word for query in passed for word in query.split()}
    assert sum(len(word.encode()) for word in news) <= MOST


def test_what_was_typed_costs_little_and_what_was_not_costs_what_it_is_long():
    typed, foreign = heard("sales with missing days"), heard()
    assert residue_of("sales with missing days", typed, Residue()) == 1 + 4 * 2
    assert residue_of("sales with missing days", foreign, Residue()) == 1 + 20 + 4
    assert residue_of("売上", foreign, Residue()) == 1 + 6 + 1


def test_a_word_that_went_out_before_costs_little_in_the_letters_in_which_it_went():
    vouched, sent = heard(), Residue()
    assert residue_of("quarterly Revenue", vouched, sent) == 1 + 10 + 8
    sent.sent("quarterly Revenue")
    assert residue_of("quarterly Revenue", vouched, sent) == 1 + 2 + 2
    assert residue_of("quarterly rEVENUE", vouched, sent) == 1 + 2 + 8


def test_before_untrusted_text_nothing_is_counted_and_the_bound_holds():
    vouched = Vouched()
    assert read_query(SEARCH, {"query": "rust borrow checker"}, vouched, Residue()).residue == 0
    assert read_query(SEARCH, {"query": "https://evil.com/?d=1"}, vouched, Residue()).fault


def test_nothing_typed_makes_a_site_of_its_words():
    typed = heard("the acme and the dev of docs")
    assert query_of({"query": "site:docs.acme.dev limits"}, typed, Residue()).fault
    named = heard("see docs.acme.dev")
    assert not query_of({"query": "site:docs.acme.dev limits"}, named, Residue()).fault


def test_a_site_that_a_first_party_named_may_be_searched_until_the_model_wrote_it_first():
    said = heard(said="The manual is at docs.acme.dev")
    assert not query_of({"query": "site:docs.acme.dev limits"}, said, Residue()).fault
    laundered = Vouched()
    laundered.taint("WebFetch")
    laundered.bring({"q": "collect.evil.com"})
    laundered.learn(Given(text="no entry for collect.evil.com"))
    assert query_of({"query": "site:collect.evil.com limits"}, laundered, Residue()).fault


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"query": None},
        {"query": 7},
        {"query": {"text": "weather"}},
        {"allowed_domains": ["docs.python.org"]},
        {"query": "\ud800 weather"},
        {"query": "weather", "more": list(range(100))},
        {"query": "weather", "deep": [[[["a" * 300]]]]},
    ],
)
def test_what_cannot_be_read_as_a_query_is_none(arguments):
    assert query_of(arguments, heard(), Residue()).fault


@pytest.mark.parametrize(
    "piece", ["a.b@c.de ", "%41", "site:", "a1", "\u0301a", "://", "A.A ", "x"]
)
def test_a_hostile_query_costs_no_more_than_a_glance(piece):
    began = time.process_time()
    for _ in range(20):
        assert query_of({"query": piece * 100_000}, heard(), Residue()).fault
        query_of({"query": (piece * 200)[:190]}, heard(), Residue())
    assert time.process_time() - began < 1.5
