"""Caps out of history: what nearly all stayed within, and what is said of few."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.proposals import LEAST, usual, with_margin

AMOUNTS = st.lists(st.integers(0, 10**15), min_size=LEAST, max_size=300)


@given(AMOUNTS)
def test_nineteen_of_twenty_stay_within_what_is_usual_and_no_less_would_do(amounts):
    most = usual(amounts)
    assert most in amounts
    assert Fraction(sum(one <= most for one in amounts), len(amounts)) >= Fraction(95, 100)
    below = sum(one < most for one in amounts)
    assert Fraction(below, len(amounts)) < Fraction(95, 100)


@given(st.lists(st.integers(0, 100), max_size=LEAST - 1))
def test_of_few_nothing_is_said(amounts):
    assert usual(amounts) is None


@pytest.mark.parametrize(("amount", "percent", "cap"), [(100, 125, 125), (1, 125, 2), (7, 100, 7)])
def test_a_margin_is_rounded_up_to_the_nano_dollar(amount, percent, cap):
    assert with_margin(amount, percent) == cap
