"""Canonical JSON: what is refused, and the strict reader."""

import json

import pytest

from holdfast.core.canonical import (
    MAX_CANONICAL_BYTES,
    MAX_DEPTH,
    MAX_VALUES,
    Unreadable,
    Unrepresentable,
    canonical,
    digest,
    parse_json,
)


def nested(depth, leaf=None):
    value = [] if leaf is None else [leaf]
    for _ in range(depth - 1):
        value = [value]
    return value


def test_the_rfc_sample_has_the_rfc_bytes():
    value = {
        "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/",
        "literals": [None, True, False],
    }
    assert canonical(value) == (
        b'{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        b'"string":"\xe2\x82\xac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )


def test_keys_sort_by_utf16_units_not_by_code_points():
    assert canonical({"\ufb33": 1, "\U0001f600": 2}) == '{"\U0001f600":2,"\ufb33":1}'.encode()


def test_a_digest_names_its_algorithm_and_ignores_key_order():
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1})
    assert digest({}) == "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (float("nan"), "finite"),
        ({"a": [float("inf")]}, "finite"),
        (2**53, "2^53"),
        ([-(2**53)], "2^53"),
        (float(2**53), "2^53"),
        (-9.99e20, "2^53"),
        ("\ud800", "surrogate"),
        ({"\udc00": 1}, "surrogate"),
        ({"é\udc00": 1.5}, "surrogate"),
        ({1: 2}, "key"),
        (b"bytes", "bytes"),
        ({"a": {1, 2}}, "set"),
        (nested(MAX_DEPTH + 1), "deeper"),
        (nested(MAX_DEPTH + 1, 1), "deeper"),
        ("x" * MAX_CANONICAL_BYTES, "larger"),
        ("\x01" * (MAX_CANONICAL_BYTES // 2), "larger"),
        ([0] * MAX_CANONICAL_BYTES, "larger"),
    ],
)
def test_what_has_no_canonical_form_gets_no_digest(value, word):
    refused = canonical(value)
    assert isinstance(refused, Unrepresentable)
    assert word in refused.reason
    assert digest(value) == refused


def test_the_limits_themselves_are_allowed():
    assert canonical(nested(MAX_DEPTH)) == b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert canonical(nested(MAX_DEPTH, 1)) == b"[" * MAX_DEPTH + b"1" + b"]" * MAX_DEPTH
    assert canonical([2**53 - 1, -(2**53) + 1]) == b"[9007199254740991,-9007199254740991]"
    assert canonical("x" * (MAX_CANONICAL_BYTES - 2)) == b'"%s"' % (
        b"x" * (MAX_CANONICAL_BYTES - 2)
    )
    assert canonical(1e21) == b"1e+21"


def test_shared_references_cannot_multiply_the_work():
    value: list = [0] * 1000
    for _ in range(90):
        value = [value] * 1000
    assert isinstance(canonical(value), Unrepresentable)


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b'{"a":1,"a":1}', "twice"),
        (b'{"a":1,"a":2}', "twice"),
        (b'{"a":1,"\\u0061":2}', "twice"),
        (b'[{"x":{"k":1,"j":2,"k":1}}]', "twice"),
        (b"NaN", "finite"),
        (b"[Infinity]", "finite"),
        (b"-Infinity", "finite"),
        (b"1e999", "range"),
        (b"1" * 5000, "range"),
        (b'"\xff"', "utf-8"),
        (b'"\xed\xa0\x80"', "utf-8"),
        (b'"\\ud800"', "surrogate"),
        (b'{"\\udfff":1}', "surrogate"),
        (b"\xef\xbb\xbf1", "not json"),
        ("1".encode("utf-16"), "utf-8"),
        (b"", "not json"),
        (b"{} {}", "not json"),
        (b"01", "not json"),
        (b"'a'", "not json"),
        (b"[" * 101 + b"]" * 101, "deeper"),
        (b'{"a":' * 101 + b"1" + b"}" * 101, "deeper"),
        (b"[" * 100_000 + b"]" * 100_000, "deep"),
    ],
)
def test_json_with_two_readings_or_none_is_refused(body, word):
    refused = parse_json(body)
    assert isinstance(refused, Unreadable)
    assert word in refused.reason
    assert len(refused.reason) < 80


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"null", None),
        (b' { "a" : [ 1 , 2.50 ] } ', {"a": [1, 2.5]}),
        (b'"\\ud83d\\ude00\\/"', "\U0001f600/"),
        (b'[{"a":1},{"a":1}]', [{"a": 1}, {"a": 1}]),
        (b"[" * 100 + b"]" * 100, nested(100)),
        (b'"' + b"[" * 500 + b'"', "[" * 500),
    ],
)
def test_json_with_one_reading_is_read(body, value):
    assert parse_json(body) == value


def test_the_depth_limit_is_the_callers():
    assert parse_json(b"[[1]]", max_depth=2) == [[1]]
    assert isinstance(parse_json(b"[[1]]", max_depth=1), Unreadable)
    assert parse_json(b"1", max_depth=0) == 1


def test_a_megabyte_is_read_and_spelt():
    value = [{"id": n, "name": f"item {n}", "tags": ["a", "b"]} for n in range(20_000)]
    compact = json.dumps(value, separators=(",", ":")).encode()
    spaced = json.dumps(value).encode()
    assert parse_json(compact) == parse_json(spaced) == value
    assert (
        canonical(value[:15_000])
        == json.dumps(value[:15_000], separators=(",", ":"), sort_keys=True).encode()
    )


@pytest.mark.parametrize(
    "body",
    [
        b"[" + b"[]," * MAX_VALUES + b"[]]",
        b'{"a":[' + b"1," * MAX_VALUES + b"1]}",
        b"[" + b'"",' * MAX_VALUES + b'""]',
        b"[" + b'"\\"",' * MAX_VALUES + b'""]',
        b"[" * (MAX_VALUES + 2),
    ],
    ids=["lists", "numbers", "empty texts", "texts of a quote", "openings alone"],
)
def test_json_of_too_many_values_is_refused_unread(body):
    answer = parse_json(body)
    assert isinstance(answer, Unreadable)
    assert "more than 200000 values" in answer.reason


def test_a_long_text_full_of_commas_and_brackets_is_one_value():
    body = b'["' + b'a, [b], {c}; \\\\ \\"d\\" ' * 50_000 + b'"]'
    assert isinstance(parse_json(body), list)
