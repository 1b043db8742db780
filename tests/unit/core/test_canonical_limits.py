"""Canonical JSON and its reader at each limit, and each sentence with which they refuse."""

import hashlib

import msgspec
import pytest

from holdfast.core.canonical import (
    Unreadable,
    Unrepresentable,
    canonical,
    digest,
    digest_bytes,
    parse_json,
    unrepresentable,
)
from tests.corpora.typed import checked

MODULE = pytest.mark.parametrize("module", ["holdfast.core.canonical"])
LARGE = Unrepresentable("the value is larger than 1000000 bytes")
SURROGATE = Unrepresentable("a string holds a lone surrogate")
RANGE = Unrepresentable("an integer is outside ±(2^53 - 1)")
MANY = Unreadable("the json holds more than 200000 values")


@pytest.fixture(autouse=True)
def typed(module):
    with checked(module) as wrong:
        yield
    assert wrong == []


def nested(depth, inner=0, *, objects=False):
    for at in range(depth):
        inner = {"a": inner} if objects or at % 2 else [inner]
    return inner


class Text(str):
    __slots__ = ()


@MODULE
def test_a_value_is_spelt_so_or_refused_with_this_sentence(module):
    table = [
        (None, b"null"),
        (True, b"true"),
        ([1, "\u00e9", (2,)], '[1,"\u00e9",[2]]'.encode()),
        ({"b": 1, "a": {"d": 0, "c": []}}, b'{"a":{"c":[],"d":0},"b":1}'),
        # By UTF-16 units, not by code points.
        ({"\ufb33": 1, "\U0001f600": 2, "a": 3}, '{"a":3,"\U0001f600":2,"\ufb33":1}'.encode()),
        ([1.0, 0.5, 1e21, -0.0], b"[1,0.5,1e+21,0]"),
        ({"b": 1.5, "a": 2}, b'{"a":2,"b":1.5}'),
        (2**53 - 1, b"9007199254740991"),
        (-(2**53) + 1, b"-9007199254740991"),
        (2**53, RANGE),
        (-(2**53), RANGE),
        (float(2**53 - 1), b"9007199254740991"),
        (float(2**53), RANGE),
        (-float(2**53), RANGE),
        (999999999999999900000.0, RANGE),
        (1e21, b"1e+21"),
        (float("nan"), Unrepresentable("a number is not finite")),
        (float("-inf"), Unrepresentable("a number is not finite")),
        ("\ud800", SURROGATE),
        (["a\udfff"], SURROGATE),
        ({"\ud800": 1}, SURROGATE),
        ({1: 1}, Unrepresentable("an object key is not a string")),
        ({Text("a"): 1}, Unrepresentable("an object key is not a string")),
        (b"a", Unrepresentable("a value of type bytes is not json")),
        ([{1}], Unrepresentable("a value of type set is not json")),
        (Text("a"), Unrepresentable("a value of type Text is not json")),
    ]
    assert [canonical(value) for value, _ in table] == [said for _, said in table]
    refused = [said if isinstance(said, Unrepresentable) else None for _, said in table]
    assert [unrepresentable(value) for value, _ in table] == refused
    hexed = hashlib.sha256(b'{"a":1}').hexdigest()
    assert digest({"a": 1}) == digest_bytes(b'{"a":1}') == f"sha256:{hexed}"
    assert digest(2**53) == RANGE


@MODULE
@pytest.mark.parametrize("objects", [False, True])
def test_a_hundred_containers_nest_and_no_more(module, objects):
    deep = Unrepresentable("the value nests deeper than 100 levels")
    inners: tuple[object, object] = (0, []) if objects else (0, {})
    for inner in inners:
        value = nested(100 - (inner != 0), inner, objects=objects)
        assert canonical(value) == msgspec.json.encode(value)
        assert unrepresentable(value) is None
        assert canonical([value]) == canonical({"a": value}) == deep
        assert canonical([0, [value], 0]) == unrepresentable({"a": value}) == deep


@MODULE
def test_a_value_is_no_larger_than_a_million_bytes_and_never_begun_where_it_must_be(module):
    assert canonical("a" * 999_998) == b'"' + b"a" * 999_998 + b'"'
    assert canonical("a" * 999_999) == LARGE
    assert canonical("\u00e9" * 499_999) == ('"' + "\u00e9" * 499_999 + '"').encode()
    assert canonical("\u00e9" * 500_000) == LARGE
    assert unrepresentable("a" * 999_999) is None
    assert unrepresentable([0] * 999_999) == LARGE
    # What is left for the values below, after what stands before them.
    for before, left in (
        (lambda inner: ["a" * 999_000, inner], 1_000_000 - 2 - 999_001 - 2),
        (lambda inner: ["\u00e9" * 999_000, inner], 1_000_000 - 2 - 999_001 - 2),
        (lambda inner: ["a" * 998_000, *[1] * 100, inner], 1_000_000 - 2 - 998_001 - 100 - 2),
        (lambda inner: {"a" * 999_000: inner}, 1_000_000 - 2 - 999_003 - 2),
        (lambda inner: {"a": 0, "b" * 998_000: 0, "c": inner}, 1_000_000 - 2 - 998_011 - 2 - 2),
    ):
        assert unrepresentable(before([0] * left)) is None
        assert unrepresentable(before([0] * (left + 1))) == LARGE
    # A value that stands in many places counts in each.
    shared: list[object] = [0] * 1_000
    for _ in range(4):
        shared = [shared] * 1_000
    assert unrepresentable(shared) == LARGE


@MODULE
def test_json_is_read_where_it_has_one_reading_and_refused_with_this_sentence(module):
    table = [
        (b'{"a":[1,2.5,null,true,"b"]}', {"a": [1, 2.5, None, True, "b"]}),
        (b' {"a" : 1e2} ', {"a": 100.0}),
        (rb'"\u00e9\ud83d\ude00"', "\u00e9\U0001f600"),
        (b'{"a":1,"a":1}', Unreadable("a json object holds the same key twice")),
        (b'[{"a":{"b":1,"b":2}}]', Unreadable("a json object holds the same key twice")),
        (b'{"a":1,"\\u0061":2}', Unreadable("a json object holds the same key twice")),
        (b"NaN", Unreadable("json numbers are finite")),
        (b"[-Infinity]", Unreadable("json numbers are finite")),
        (b"1e999", Unreadable("a json number is out of range")),
        (b"9" * 5_000, Unreadable("a json number is out of range")),
        (rb'"\ud800"', Unreadable("a json string holds a lone surrogate")),
        (rb'{"\udfff":1}', Unreadable("a json string holds a lone surrogate")),
        (b'"\xff"', Unreadable("the json is not valid utf-8")),
        (b"", Unreadable("the body is not json at character 0")),
        (b"[1,]", Unreadable("the body is not json at character 3")),
        (b'{"a":1} x', Unreadable("the body is not json at character 8")),
        (b"\xef\xbb\xbf1", Unreadable("the body is not json at character 0")),
    ]
    assert [parse_json(body) for body, _ in table] == [said for _, said in table]


@MODULE
def test_json_nests_as_deep_as_is_asked_and_no_deeper(module):
    def text(depth, inner=b"0"):
        return (
            b"".join([b'{"a":', b"["][at % 2] for at in range(depth))
            + inner
            + (b"".join([b"}", b"]"][at % 2] for at in reversed(range(depth))))
        )

    for most, given in (
        (100, {}),
        (3, {"max_depth": 3}),
        (1, {"max_depth": 1}),
        (0, {"max_depth": 0}),
    ):
        fault = Unreadable(f"the json nests deeper than {most} levels")
        assert not isinstance(parse_json(text(most), **given), Unreadable)
        assert parse_json(text(most + 1), **given) == fault
        assert parse_json(b"[" + text(most) + b"]", **given) == fault
    # Many containers beside each other are not deep, nor are brackets in a text.
    beside = b"[" + b",".join([b"[{}]"] * 60) + b"]"
    assert parse_json(beside, max_depth=3) == [[{}]] * 60
    assert parse_json(b'"' + b"[{" * 60 + b'"') == "[{" * 60
    assert parse_json(b"[" * 100_000) == Unreadable("the json nests too deep to read")


@MODULE
def test_json_holds_two_hundred_thousand_values_and_no_more(module):
    def zeros(many):
        return b"[" + b",".join([b"0"] * many) + b"]"

    assert parse_json(zeros(200_000)) == [0] * 200_000
    assert parse_json(zeros(200_001)) == MANY
    assert parse_json(b'{"a":' + zeros(200_000) + b"}") == MANY
    assert parse_json(b"[" * 200_001) == MANY
    assert parse_json(b"{" * 200_001) == MANY
    commas = b"," * 200_001
    # Within a text they are none, whatever stands escaped before them.
    for text in (b'["%s"]', rb'["\"%s"]', rb'["\\\"%s"]', rb'["a\\", "%s"]'):
        assert not isinstance(parse_json(text % commas), Unreadable), text
    assert parse_json(b'["\\\\",' + commas + b"]") == MANY
    quoted = b'"' + commas + b'"'
    assert parse_json(quoted + b'""' * 399_999) == Unreadable(
        "the body is not json at character 200003"
    )
    assert parse_json(quoted + b'""' * 400_000) == MANY
