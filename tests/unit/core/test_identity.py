import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.identity import (
    FLOW_S,
    LEEWAY_S,
    Unfit,
    Wanted,
    flow_of,
    held_for,
    is_over,
    person_of,
    sealed,
    unsealed,
)
from holdfast.model.identity import Person

NOW_S = 1_790_000_000
S = 1_000_000_000
WANTED = Wanted("https://login.example", "holdfast", "n", NOW_S * S)
GOOD = {
    "iss": "https://login.example", "sub": "ann", "aud": "holdfast", "nonce": "n",
    "iat": NOW_S, "exp": NOW_S + 60,
}  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "good"),
    [
        ({"exp": NOW_S - LEEWAY_S + 1}, True),
        ({"exp": NOW_S - LEEWAY_S}, False),
        ({"iat": NOW_S + LEEWAY_S}, True),
        ({"iat": NOW_S + LEEWAY_S + 1}, False),
        ({"nbf": NOW_S + LEEWAY_S}, True),
        ({"nbf": NOW_S + LEEWAY_S + 1}, False),
        ({"exp": float("nan")}, False),
        ({"iat": float("nan")}, False),
        ({"nbf": None}, False),
    ],
)
def test_the_edges_of_time_are_a_minute_wide(changed, good):
    assert isinstance(person_of(GOOD | changed, WANTED), Person) is good


@given(
    st.sampled_from(sorted(GOOD)),
    st.none() | st.booleans() | st.text() | st.integers() | st.lists(st.text()),
)
def test_a_claim_that_is_not_what_it_was_is_believed_only_where_it_says_the_same(name, value):
    found = person_of(GOOD | {name: value}, WANTED)
    if isinstance(found, Person):
        assert name in {"sub", "iat", "exp"} or value in (GOOD[name], [GOOD[name]])
    else:
        assert isinstance(found, Unfit)


def test_without_a_nonce_that_was_sent_none_is_asked_for():
    assert isinstance(person_of(GOOD, WANTED._replace(nonce=None)), Person)


@given(st.text(), st.text())
def test_two_sign_ins_have_nothing_in_common(one, other):
    key = b"k" * 32
    first, second = flow_of(key, one), flow_of(key, other)
    assert (first == second) is (one == other)
    assert len({*first}) == 4
    assert flow_of(b"j" * 32, one).state != first.state


def test_the_verifier_is_what_the_challenge_was_made_of():
    flow = flow_of(b"key", "held")
    digest = base64.urlsafe_b64encode(hashlib.sha256(flow.verifier.encode()).digest())
    assert flow.challenge == digest.rstrip(b"=").decode()
    assert 43 <= len(flow.verifier) <= 128


def test_what_a_browser_holds_is_over_after_ten_minutes():
    held = held_for("seed", NOW_S * S)
    assert not is_over(held, (NOW_S + FLOW_S) * S - 1)
    assert is_over(held, (NOW_S + FLOW_S) * S)


@pytest.mark.parametrize(
    "held", ["", "seed", "seed.", "seed.-1", "seed.١٢", "seed." + "9" * 20, "a.b.9"]
)
def test_what_never_was_a_sign_in_is_over(held):
    assert is_over(held, NOW_S * S)


@given(st.text(), st.text())
def test_only_the_server_that_sealed_a_value_knows_it_again(value, other):
    text = sealed(b"key", value)
    assert unsealed(b"key", text) == value
    assert unsealed(b"other", text) == ""
    if other != text:
        assert unsealed(b"key", other) == ""
