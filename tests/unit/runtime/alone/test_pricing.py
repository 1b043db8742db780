"""What a call may cost, by a ledger of plain numbers: each sum against one made by hand."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

from typing import Any

import msgspec
import pytest

from holdfast.core.budgets import Ledger
from holdfast.core.messages import read_request
from holdfast.core.price_table import PRICE_TABLE
from holdfast.core.prices import PriceBook
from holdfast.core.wire.admitted import NOTHING
from holdfast.errors import UnknownModel
from holdfast.model.budgets import AccountKey, Dimension, Limit, Refused, Scope, Window
from holdfast.model.money import Bill, Cost
from holdfast.runtime import pricing
from holdfast.runtime.pricing import Pricing, Quote

D = Dimension
QUOTE = Quote(
    model="m",
    input_tokens=50,
    in_nusd=1_000,
    out_nusd=200,
    out_nusd_per_token=7,
    in_nusd_per_token=3,
    tokens_per_token=2,
    context_tokens=900,
    unreported_nusd=40,
    tool_calls=6,
)


def key(dimension, scope=Scope.SESSION):
    return AccountKey(scope, "acme/s", dimension, Window.LIFE)


def ledger(**caps):
    """A chain of accounts with these caps, innermost first; `settled` of each is a tenth."""
    made = Ledger(absent=[key(D[name.upper()]) for name in caps])
    for name, cap in caps.items():
        one = key(D[name.upper()])
        made.use([one])
        limit = Limit(scope=one.scope, dimension=one.dimension, window=one.window, amount=cap)
        made.open_account(one, limit, 0)
    return made, tuple(key(D[name.upper()]) for name in caps)


def request(**fields):
    body = {"model": "claude-haiku-4-5", "max_tokens": 9, "messages": []} | fields
    body["messages"] = [{"role": "user", "content": "hello"}]
    return read_request(msgspec.json.encode(body), NOTHING)


def test_hold_counts_the_input_once_and_each_token_of_output_in_every_dimension():
    assert pricing.amounts(QUOTE, 10, 30) == {
        D.USD: 1_000 + 30 + 200 + 70,
        D.USD_IN: 1_030,
        D.USD_OUT: 270,
        D.TOKENS: 70,
        D.TURNS: 1,
        D.SECONDS: 30,
    }
    assert pricing.amounts(QUOTE, 0, 1, 4)[D.TOOL_CALLS] == 4
    assert pricing.more_output(QUOTE, 10) == {
        D.USD: 100,
        D.USD_OUT: 70,
        D.USD_IN: 30,
        D.TOKENS: 20,
    }
    plain = msgspec.structs.replace(QUOTE, in_nusd_per_token=0)
    assert pricing.more_output(plain, 10) == {D.USD: 70, D.USD_OUT: 70, D.TOKENS: 20}


def test_what_is_settled_is_the_bill_one_turn_and_its_seconds():
    bill = Bill(cost=Cost(in_nusd=5, out_nusd=8), tokens=77)
    spent = pricing.spent(bill, 12)
    assert spent == {D.USD: 13, D.USD_IN: 5, D.USD_OUT: 8, D.TOKENS: 77, D.TURNS: 1, D.SECONDS: 12}
    assert pricing.with_unreported(spent, QUOTE) == spent | {D.USD: 53, D.USD_IN: 45}


def test_floor_raises_money_and_tokens_alone_and_the_whole_is_never_less_than_its_parts():
    spent = {D.USD: 13, D.USD_IN: 5, D.USD_OUT: 8, D.TOKENS: 77, D.SECONDS: 12}
    assert pricing.at_least(spent, {}) == spent
    assert pricing.at_least(spent, {D.USD_IN: 9, D.SECONDS: 99}) == spent | {
        D.USD_IN: 9,
        D.USD: 17,
    }
    assert pricing.at_least(spent, {D.USD: 50, D.TOKENS: 80}) == spent | {D.USD: 50, D.TOKENS: 80}


@pytest.mark.parametrize(
    ("caps", "most"),
    [
        ({}, None),
        ({"turns": 1}, None),
        ({"usd": 1_200 + 10 * 25}, 25),
        ({"usd": 1_200 + 10 * 25 - 1}, 24),
        ({"usd": 1_199}, -1),
        ({"usd_in": 1_000 + 3 * 4}, 4),
        ({"usd_out": 200 + 7 * 5 + 6}, 5),
        ({"tokens": 50 + 2 * 8 + 1}, 8),
        ({"usd": 1_200 + 10 * 25, "tokens": 66}, 8),
        ({"tokens": 66, "usd": 1_200 + 10 * 25}, 8),
    ],
)
def test_affordable_output_is_what_the_narrowest_account_leaves(caps, most):
    book, chain = ledger(**caps)
    assert pricing.affordable_output(book, chain, QUOTE, 0) == most


@pytest.mark.parametrize(("cap", "most"), [(1_000, None), (999, -1)])
def test_output_that_costs_nothing_there_bounds_nothing_but_the_input_has_to_fit(cap, most):
    free = msgspec.structs.replace(QUOTE, in_nusd_per_token=0)
    book, chain = ledger(usd_in=cap)
    assert pricing.affordable_output(book, chain, free, 0) == most


def test_what_other_calls_hold_may_still_be_afforded():
    book, chain = ledger(usd=1_200 + 10 * 25)
    book.reserve("h", chain, {D.USD: 1_000}, session="s", purpose="model", now_ns=0)
    assert pricing.affordable_output(book, chain, QUOTE, 0) == 25
    book.settle("h", {D.USD: 100}, 0)
    assert pricing.affordable_output(book, chain, QUOTE, 0) == 15


@pytest.mark.parametrize(("cap", "runs"), [(None, 6), (7, 6), (6, 6), (2, 2), (1, 1), (0, 1)])
def test_runs_of_tools_are_what_is_left_of_them_and_at_least_one(cap, runs):
    book, chain = ledger(**({} if cap is None else {"tool_calls": cap}))
    assert pricing.tool_calls(book, chain, QUOTE, 0) == runs
    assert pricing.tool_calls(book, chain, msgspec.structs.replace(QUOTE, tool_calls=0), 0) == 0


def test_runs_of_tools_that_other_calls_hold_are_not_there():
    book, chain = ledger(tool_calls=5)
    book.reserve("h", chain, {D.TOOL_CALLS: 3}, session="s", purpose="tool", now_ns=0)
    assert pricing.tool_calls(book, chain, QUOTE, 0) == 2


def test_first_account_without_room_is_named_with_its_numbers_and_holds_do_not_count():
    book, chain = ledger(turns=9, usd=100, tokens=10)
    book.reserve("h", chain, {D.USD: 60}, session="s", purpose="model", now_ns=0)
    book.settle("h", {D.USD: 40}, 0)
    book.reserve("i", chain, {D.USD: 60}, session="s", purpose="model", now_ns=0)
    first: Any = pricing.first_without_room
    assert first(book, chain, {D.USD: 60, D.TOKENS: 10}, 0) is None
    refused = Refused(
        key=key(D.USD), limit=100, settled=40, held=60, wanted=61, fits_when_settled=False
    )
    assert first(book, chain, {D.USD: 61, D.TOKENS: 11}, 0) == refused
    assert first(book, chain, {D.USD: 0, D.TOKENS: 11}, 0).key == key(D.TOKENS)
    # An account that only counts, or is not there, refuses nothing.
    book.set_limit(chain[1], None, 0)
    assert first(book, chain, {D.USD: 10**9}, 0) is None
    absent = Ledger(absent=[chain[0]])
    assert first(absent, chain[:1], {D.TURNS: 99}, 0) is None


def test_quote_of_a_request_is_what_the_price_book_bounds():
    priced = Pricing(PriceBook(PRICE_TABLE))
    read: Any = request()
    asked = priced.asked(read, 40)
    assert (asked.request, asked.input_tokens, asked.admitted, asked.wide) == (
        read,
        40,
        NOTHING,
        False,
    )
    assert priced.asked(read, None, long_context=True).wide
    quote = priced.quote(asked)
    per_in, per_out = 1_000, 5_000
    assert quote == Quote(
        model="claude-haiku-4-5",
        input_tokens=40,
        prompt_tokens=40,
        in_nusd=40 * per_in,
        out_nusd_per_token=per_out,
        context_tokens=200_000,
    )
    whole = priced.quote(priced.asked(read, None))
    assert whole.input_tokens == 200_000


def test_quote_of_a_tool_at_the_provider_counts_its_runs_and_their_readings():
    priced = Pricing(PriceBook(PRICE_TABLE))
    tool = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
    quote = priced.quote(priced.asked(request(tools=[tool]), 40))
    assert quote.tool_calls == 3
    assert quote.resamples
    assert quote.input_tokens > quote.prompt_tokens >= 40
    assert quote.in_nusd_per_token > 0
    assert quote.tokens_per_token > 1


def test_model_without_a_price_is_unknown_and_named_no_longer_than_a_hundred_characters():
    priced = Pricing(PriceBook(PRICE_TABLE))
    read = request(model="m" * 300)
    with pytest.raises(UnknownModel) as refused:
        priced.quote(priced.asked(read, 40))
    assert refused.value.fields == {"model": "m" * 100}
