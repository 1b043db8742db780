"""What a finished call counts as, in each dimension of a cap."""

from typing import Any

from holdfast.core.price_table import PRICE_TABLE
from holdfast.core.prices import PriceBook
from holdfast.model.budgets import Dimension
from holdfast.model.money import Bill, Served, Usage
from holdfast.runtime.pricing import spent


def tokens(**usage: Any) -> int:
    bill = PriceBook(PRICE_TABLE).bill("claude-opus-4-6", Usage(**usage), Served())
    assert isinstance(bill, Bill)
    return spent(bill, 1)[Dimension.TOKENS]


def test_a_token_read_from_the_cache_counts_a_tenth_and_every_other_in_full():
    assert tokens(input_tokens=10, output_tokens=7) == 17
    assert tokens(cache_write_5m_tokens=10, cache_write_1h_tokens=20) == 30
    assert tokens(cache_read_tokens=40_000) == 4_000
    assert tokens(cache_read_tokens=1) == 1
    assert tokens(cache_read_tokens=11, output_tokens=1) == 3


def test_fifty_turns_at_forty_thousand_tokens_of_context_are_no_day_of_tokens():
    assert (
        50 * tokens(cache_read_tokens=40_000, input_tokens=300, output_tokens=500) < 2_000_000 / 8
    )
