"""What the bodies of records say, field by field, and that an odd body costs a blank alone."""

import pytest

from holdfast.core.entries import Tokens, Why, arguments, tokens, whole, why, words
from holdfast.model.events import Kind, Record


def record(verdict="", **body):
    return Record(kind=Kind.TOOL_CALL_DECIDED, at_ns=1, verdict=verdict, body=body)


def test_a_text_and_a_number_are_read_and_anything_else_is_a_blank():
    odds: tuple[object, ...] = (None, 1.5, [], {}, b"x")
    for odd in odds:
        assert (words(record(a=odd), "a"), whole(record(a=odd), "a")) == ("", 0)
    assert (words(record(a="x"), "a"), words(record(a="x"), "b")) == ("x", "")
    got = [whole(record(a=value), "a") for value in (-1, 0, 1, 2, True, "3")]
    assert got == [0, 0, 1, 2, 0, 0]


def test_the_reason_is_the_first_one_of_the_verdict():
    reasons = [
        "odd",
        {"verdict": "allow", "code": "a", "text": "b", "rule": "c"},
        {"verdict": "deny", "code": "d", "text": "e", "rule": "f"},
        {"verdict": "deny", "code": "g"},
    ]
    assert why(record("deny", reasons=reasons)) == Why("d", "e", "f")
    assert why(record("deny", reasons=tuple(reasons[3:]))) == Why("g", "", "")
    assert why(record("ask", reasons=reasons)) == Why()
    assert why(record("deny", reasons="deny")) == why(record("deny")) == Why("", "", "")
    assert why(record("deny", reasons=[{"verdict": "deny", "code": None, "rule": 7}])) == Why(
        "", "", "7"
    )


def test_tokens_of_the_prompt_are_added_up_and_cached_ones_told_apart():
    usage = {
        "input_tokens": 1,
        "cache_read_tokens": 20,
        "cache_write_5m_tokens": 300,
        "cache_write_1h_tokens": 4_000,
        "output_tokens": 50_000,
    }
    assert tokens(record(usage=usage)) == Tokens(
        prompt=4_321, output=50_000, cache_read=20, cache_written=4_300
    )
    assert tokens(record(usage={})) == tokens(record(usage=[])) == tokens(record()) == Tokens()
    assert Tokens() == Tokens(0, 0, 0, 0)


@pytest.mark.parametrize(
    ("given", "most", "told"),
    [
        ({"a": 1}, 100, '{"a":1}'),
        ({"a": 1}, 7, '{"a":1}'),
        ({"a": 1}, 6, '{"a":1'),
        ({}, 9, "{}"),
        ([1], 9, ""),
        (None, 9, ""),
    ],
)
def test_arguments_are_told_as_json_and_cut(given, most, told):
    assert arguments(record(arguments=given), most) == told
