"""What an address asks of the fleet, and the address of what is asked."""

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.apps.console.fleet.asked import ROWS, SORTS, STATES, Asked, asked_of

ASKED = st.builds(
    Asked,
    words=st.text().map(lambda text: " ".join(text[:50].split())),
    states=st.sampled_from(STATES),
    sort=st.sampled_from(SORTS),
    order=st.sampled_from(("falling", "rising")),
    start=st.integers(0, 1_000_000),
)


@given(ASKED)
def test_an_address_says_what_was_asked(asked):
    given_back = dict(parse_qsl(asked.query, keep_blank_values=True))
    assert asked_of(given_back) == asked


@given(st.dictionaries(st.sampled_from(Asked._fields), st.text()))
def test_nothing_that_an_address_says_is_a_fault(address):
    found = asked_of(address)
    assert found.states in STATES
    assert found.sort in SORTS
    assert 0 <= found.start <= 1_000_000
    assert len(found.words) <= 400


def test_the_usual_way_to_look_has_an_empty_address():
    assert Asked().query == ""
    assert asked_of({}) == Asked()


@pytest.mark.parametrize(("sort", "first"), [("spent", "falling"), ("user", "rising")])
def test_a_column_sorts_its_usual_way_first_and_then_the_other(sort, first):
    once = Asked(start=ROWS).sorted_by(sort)
    assert (once.order, once.start) == (first, 0)
    assert once.sorted_by(sort).order != first


def test_stretches_do_not_go_below_the_first():
    assert Asked(start=ROWS // 2).before.start == 0
    assert Asked().after.start == ROWS
