"""What a key names: one thing for one sender and verb, and nothing that anybody else can tell."""

import hashlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.repeats import ANEW, KEY_MOST, Named, is_key, named
from holdfast.model.tokens import SESSION_PREFIX, model_token, session_of

SECRET = b"s" * 32
WHO = st.text(alphabet="abc\0:/", max_size=4)


@given(st.lists(st.tuples(WHO, WHO, WHO), min_size=2, max_size=2, unique=True))
def test_no_two_senders_verbs_or_keys_name_the_same(both):
    one, other = (named(SECRET, who, verb, key, b"asked") for who, verb, key in both)
    for name in ("session_id", "run_id", "token"):
        assert getattr(one, name) != getattr(other, name)


def test_the_same_request_names_the_same_and_another_secret_something_else():
    one = named(SECRET, "ann", "open_session", "k", b"{}")
    assert one == named(SECRET, "ann", "open_session", "k", b"{}")
    assert one.asked == hashlib.sha256(b"{}").hexdigest()
    assert named(SECRET, "ann", "open_session", "k", b"[]")._replace(asked=one.asked) == one
    other = named(b"t" * 32, "ann", "open_session", "k", b"{}")
    assert not {one.session_id, one.run_id, one.token} & {
        other.session_id,
        other.run_id,
        other.token,
    }


def test_names_look_as_those_that_chance_makes_and_tell_nothing_of_one_another():
    one = named(SECRET, "ann", "open_session", "k", b"{}")
    kinds = {"ses_": one.session_id, "run_": one.run_id, SESSION_PREFIX: one.token}
    letters = {name.removeprefix(prefix) for prefix, name in kinds.items()}
    assert [len(name) - 4 for name in kinds.values()] == [26, 26, 52]
    for first, second in itertools.permutations(letters, 2):
        assert not first.startswith(second)
    assert session_of(model_token(one.session_id, one.token)) == one.session_id


@pytest.mark.parametrize(
    "key", ["a", "8e03978e-40d5-43dd-bc93-6894a57f9324", "~" * KEY_MOST, '"q"']
)
def test_a_key_is_visible_ascii(key):
    assert is_key(key)


@pytest.mark.parametrize("key", ["", " ", "a b", "a\n", "é", "a\0b", "x" * (KEY_MOST + 1), "\x7f"])
def test_anything_else_is_no_key(key):
    assert not is_key(key)


def test_without_a_key_nothing_is_named():
    assert Named() == ANEW
    assert not any(ANEW)
