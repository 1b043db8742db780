"""Queries to a search provider: what is one, what is a payload, and what many of them carry.

The corpus was written before the rule; of each side a third (by the digest of the name) was kept
apart until it stood.
"""

import json
import time
from pathlib import Path

import pytest

from holdfast.core.builtin_tools import BUILTIN_TOOLS
from holdfast.core.flow.queries import (
    Query,
    Residue,
    gate_sites,
    over,
    query_of,
    read_query,
    residue_of,
)
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


def test_a_typed_word_costs_little_in_plain_letters_and_whole_where_its_letters_choose():
    typed = heard("sales")
    costs = [residue_of(word, typed, Residue()) for word in ("sales", "Sales", "SALES", "sAles")]
    assert costs == [1 + 2, 1 + 2, 1 + 2, 1 + 5 + 1]


def test_signs_between_words_cost_each_of_their_bytes_also_where_all_words_were_typed():
    typed = heard("sales with missing days")
    assert residue_of("sales, (missing) → days!", typed, Residue()) == 1 + 3 * 2 + 4 + 3


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
    ("site", "passes"),
    [
        ("docs.acme.dev", True),
        ("a.docs.acme.dev", False),
        ("handbookofalltheshopsintheworld.dev", False),
        ("q7x2k9v4m1z8.acme.dev", False),
    ],
)
def test_a_search_before_untrusted_text_is_held_to_short_names_that_read_as_words(site, passes):
    asked = {"query": "limits", "allowed_domains": [site]}
    told = "" if passes else f"names a site that stands in no trusted text: {site!r}"
    assert query_of(asked, Vouched(), Residue()).fault == told


@pytest.mark.parametrize(
    ("query", "address"),
    [
        ("https://docs.python.org/3 limits", "docs.python.org/3"),
        ("what is 2001:db8::1 used for", "2001:db8::1"),
    ],
)
def test_an_address_in_a_query_is_one_that_was_typed_however_well_known_its_host_is(query, address):
    typed = Vouched()
    typed.trust(query)
    said = [query_of({"query": query}, one, Residue()).fault for one in (Vouched(), typed)]
    assert said == [f"holds an address that nobody typed: {address!r}", ""]
    for plain in ("docs.python.org/3 limits", "what is ::1 used for"):
        assert query_of({"query": plain}, Vouched(), Residue()).fault == ""


def test_a_search_of_the_providers_is_held_to_whole_sites_and_to_no_path_of_theirs():
    named = heard("see docs.acme.dev")
    assert gate_sites(["docs.acme.dev"], named, (), 1) == []
    [reason] = gate_sites(["docs.acme.dev/secret"], named, (), 1)
    assert reason.code == "flow.unvouched"
    assert gate_sites(["docs.acme.dev/secret"], named, ["docs.acme.dev/secret"], 1) == []


def test_a_query_has_to_leave_room_and_one_that_carries_nothing_needs_none():
    text = "carries 5 bytes that nobody typed, and queries of this session may carry"
    said = [over(Query("x", residue), room) for residue, room in ((5, 6), (5, 5), (5, -1), (0, 0))]
    assert said == ["", f"{text} 5 more", f"{text} 0 more", ""]


SITE = "docs.python.org"


@pytest.mark.parametrize(
    ("most", "more", "says"),
    [
        (
            {"query": "measure " * 24 + "measures"},
            {"query": "measure " * 24 + "measuress"},
            "is longer than 200 bytes",
        ),
        (
            {"query": " ".join(["of"] * 32)},
            {"query": " ".join(["of"] * 33)},
            "has more than 32 words",
        ),
        (
            {"query": "weather", "sites": [SITE] * 10},
            {"query": "weather", "sites": [SITE] * 11},
            "names more than 10 sites",
        ),
        (
            # Names of arguments that nobody declared are values, too.
            {"query": "weather", "sites": [SITE] * 10, "more": ["of"] * 27},
            {"query": "weather", "sites": [SITE] * 10, "more": ["of"] * 28},
            "holds more than 40 values",
        ),
    ],
)
def test_a_query_may_be_as_long_as_its_bounds_and_no_longer(most, more, says):
    found = [query_of(given, Vouched(), Residue()).fault for given in (most, more)]
    assert found == ["", says]


@pytest.mark.parametrize(
    "piece", ["a.b@c.de ", "%41", "site:", "a1", "\u0301a", "://", "A.A ", "x"]
)
def test_a_hostile_query_costs_no_more_than_a_glance(piece):
    began = time.process_time()
    for _ in range(20):
        assert query_of({"query": piece * 100_000}, heard(), Residue()).fault
        query_of({"query": (piece * 200)[:190]}, heard(), Residue())
    assert time.process_time() - began < 1.5
