"""What a result may stand for, whatever a door wraps it in."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.unwrapped import values_of

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
)


def block(text):
    return {"type": "text", "text": text}


@given(VALUES)
def test_a_value_is_found_in_each_wrapping(value):
    text = json.dumps(value)
    wrapped = [
        value,
        [block(text)],
        [block(text[:1]), block(text[1:])],
        {"content": [block(text)], "isError": False},
        {"content": text},
        {"content": [block("in words")], "structuredContent": value},
    ]
    for output in wrapped:
        assert value in list(values_of(output)) or value is None


@pytest.mark.parametrize(
    "output", [[{"type": "image", "data": "x"}], [block(7)], [1], {"content": 3}, [], {}]
)
def test_what_is_no_wrapping_stands_for_itself_alone(output):
    assert list(values_of(output)) == [output]


def test_text_that_is_no_json_or_too_deep_or_long_is_text():
    assert list(values_of([block("hello")])) == [[block("hello")], "hello"]
    deep = "[" * 100_000
    assert list(values_of(deep)) == [deep]
    assert list(values_of('"' + "x" * 1_000_001 + '"'))[1:] == []
