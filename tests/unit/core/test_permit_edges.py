"""A permit at each of its edges, its faults in words, and canonical JSON at each of its limits."""

import base64
import json
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from holdfast.core import canonical as spelling
from holdfast.core.canonical import (
    Unreadable,
    Unrepresentable,
    canonical,
    digest,
    digest_bytes,
    parse_json,
    unrepresentable,
)
from holdfast.core.permits import Signed, key_id, sign, verify
from holdfast.model.permits import Permit, PermitFault, PermitFaultCode

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEYS = {key_id(KEY.public_key()): KEY.public_key()}
S = 1_000_000_000
PERMIT = Permit(
    permit_id="p", session="s", call_id="c", tool="t", digest="d", issued_at_ns=10 * S,
    expires_at_ns=70 * S, decision_id="dec",
)  # fmt: skip
CLAIM: dict[str, Any] = {
    "session": "s",
    "call_id": "c",
    "tool": "t",
    "digest": "d",
    "now_ns": 10 * S,
}
TOKEN = sign(PERMIT, KEY)


@pytest.mark.parametrize(
    ("changed", "code", "text"),
    [
        ({"session": "x"}, "wrong_session", "the permit belongs to another session"),
        ({"call_id": "x"}, "wrong_call", "the permit belongs to another call"),
        ({"tool": "x"}, "wrong_tool", "the permit is for another tool"),
        ({"digest": "x"}, "wrong_digest", "the permit is for other arguments"),
        ({"now_ns": 70 * S}, "expired", "the permit has expired"),
        ({"now_ns": 8 * S - 1}, "not_yet_valid", "the permit is not valid yet"),
        (
            {"session": "x", "now_ns": 99 * S},
            "wrong_session",
            "the permit belongs to another session",
        ),
    ],
)
def test_the_first_fault_of_a_permit_is_told_in_words(changed, code, text):
    fault = verify(TOKEN, KEYS, **CLAIM | changed)
    assert isinstance(fault, PermitFault)
    assert fault.code == PermitFaultCode(code)
    assert fault.text == text


@pytest.mark.parametrize("now_ns", [8 * S, 10 * S, 70 * S - 1])
def test_a_permit_holds_from_the_skew_before_its_issue_up_to_its_end(now_ns):
    assert verify(TOKEN, KEYS, **CLAIM | {"now_ns": now_ns}) == PERMIT


def test_a_token_is_the_signed_payload_letter_for_letter():
    head, payload, signature = TOKEN.split(".")
    assert head == "hfp1"
    read = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert read == {
        "key": key_id(KEY.public_key()), "id": "p", "ses": "s", "call": "c", "tool": "t",
        "dig": "d", "iat": str(10 * S), "exp": str(70 * S), "dec": "dec",
    }  # fmt: skip
    raw = base64.urlsafe_b64decode(signature + "==")
    KEY.public_key().verify(raw, f"{head}.{payload}".encode())
    assert len(key_id(KEY.public_key())) == 16


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ("", "malformed"), ("hfp1.x", "malformed"), (TOKEN + ".x", "malformed"),
        ("hfp2" + TOKEN[4:], "malformed"), (TOKEN + "=", "malformed"), (TOKEN + "é", "malformed"),
        (TOKEN[:-2] + "AA", "bad_signature"), ("hfp1." + "A" * 4_091, "malformed"),
    ],
)  # fmt: skip
def test_what_is_no_token_of_the_house_is_refused(token, code):
    fault = verify(token, KEYS, **CLAIM)
    assert isinstance(fault, PermitFault)
    assert fault.code in (PermitFaultCode(code), PermitFaultCode.MALFORMED)
    strange = verify(TOKEN, {}, **CLAIM)
    assert strange == PermitFault(
        PermitFaultCode.BAD_SIGNATURE, "the permit was not signed by this house"
    )


@pytest.mark.parametrize("at_ns", [0, 10**18, 10**19 - 1])
def test_a_time_has_up_to_nineteen_digits(at_ns):
    token = sign(msgspec.structs.replace(PERMIT, issued_at_ns=0, expires_at_ns=at_ns), KEY)
    assert token
    for odd in (-1, 10**19):
        with pytest.raises(ValueError, match="a time of the permit is out of range"):
            sign(msgspec.structs.replace(PERMIT, expires_at_ns=odd), KEY)


def test_a_permit_that_cannot_be_written_says_why():
    with pytest.raises(ValueError, match="the permit cannot be signed: a string holds a lone"):
        sign(msgspec.structs.replace(PERMIT, tool="\ud800"), KEY)
    with pytest.raises(ValueError, match="the permit is longer than 4096 characters"):
        sign(msgspec.structs.replace(PERMIT, tool="t" * 4_096), KEY)


def test_signed_tokens_are_remembered_up_to_the_most_and_until_they_expire():
    signed = Signed(kept=2)
    for name in "abc":
        signed.remember(name, msgspec.structs.replace(PERMIT, permit_id=name))
    assert [signed.get(name) is not None for name in "abc"] == [False, True, True]
    signed.forget("b")
    signed.forget("b")
    assert signed.get("b") is None
    signed.remember("d", msgspec.structs.replace(PERMIT, issued_at_ns=70 * S, expires_at_ns=80 * S))
    assert (signed.get("c"), signed.get("d") is None) == (None, False)
    assert verify("d", {}, **CLAIM | {"now_ns": 75 * S}, signed=signed) == signed.get("d")


# ---- canonical JSON --------------------------------------------------------------------------


def nested(depth, make=lambda inner: [inner]):
    value: object = 1
    for _ in range(depth):
        value = make(value)
    return value


TOO_DEEP = Unrepresentable("the value nests deeper than 100 levels")


@pytest.mark.parametrize("make", [lambda one: [one], lambda one: (one,), lambda one: {"a": one}])
def test_a_value_nests_a_hundred_deep_and_no_deeper(make):
    assert isinstance(canonical(nested(100, make)), bytes)
    assert canonical(nested(101, make)) == TOO_DEEP


@pytest.mark.parametrize(
    ("value", "spelt"),
    [
        ({"b": 1, "a": [True, None, "é"]}, '{"a":[true,null,"é"],"b":1}'),
        ({"\ue000": 1, "\U00010000": 2}, '{"\U00010000":2,"\ue000":1}'),
        (2**53 - 1, "9007199254740991"),
        (-(2**53) + 1, "-9007199254740991"),
        (float(2**53 - 1), "9007199254740991"),
        (1.0, "1"),
        (1e21, "1e+21"),
        (0.1, "0.1"),
        ((1, 2), "[1,2]"),
        ("", '""'),
    ],
)
def test_one_value_has_one_spelling(value, spelt):
    encoded = spelt.encode()
    assert canonical(value) == encoded
    assert digest(value) == digest_bytes(encoded)
    assert unrepresentable(value) is None


RANGE = Unrepresentable("an integer is outside ±(2^53 - 1)")


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (2**53, RANGE),
        (-(2**53), RANGE),
        (float(2**53), RANGE),
        (-float(2**53), RANGE),
        (999999999999999868928.0, RANGE),
        (float("nan"), Unrepresentable("a number is not finite")),
        ({1: 2}, Unrepresentable("an object key is not a string")),
        ({"\ud800": 2}, Unrepresentable("a string holds a lone surrogate")),
        ("\ud800", Unrepresentable("a string holds a lone surrogate")),
        (b"x", Unrepresentable("a value of type bytes is not json")),
        ({1, 2}, Unrepresentable("a value of type set is not json")),
    ],
)
def test_what_has_no_spelling_says_why(value, fault):
    assert canonical(value) == digest(value) == unrepresentable(value) == fault


def test_a_spelling_has_a_million_bytes_at_most():
    assert isinstance(canonical("x" * 999_998), bytes)
    large = Unrepresentable("the value is larger than 1000000 bytes")
    assert canonical("x" * 999_999) == large
    assert canonical("é" * 499_999) == '"{}"'.format("é" * 499_999).encode()
    assert canonical("é" * 500_000) == large
    assert canonical([[0] * 1_000] * 1_000) == large


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"a":1,"a":2}', "a json object holds the same key twice"),
        (b'[{"b":{"a":1, "a":1}}]', "a json object holds the same key twice"),
        (b"NaN", "json numbers are finite"),
        (b"[-Infinity]", "json numbers are finite"),
        (b"1e999", "a json number is out of range"),
        (b"\xff", "the json is not valid utf-8"),
        (b'"\\ud800"', "a json string holds a lone surrogate"),
        (b'{"\\udfff":1}', "a json string holds a lone surrogate"),
        (b"{", "the body is not json at character 1"),
        (b"", "the body is not json at character 0"),
        (b'"a" x', "the body is not json at character 4"),
        (b"9" * 5_000, "a json number is out of range"),
        (b"[" * 101 + b"]" * 101, "the json nests deeper than 100 levels"),
        (b"[" * 100_000, "the json nests too deep to read"),
    ],
)
def test_json_with_two_readings_or_none_says_why(body, reason):
    assert parse_json(body) == Unreadable(reason)


def test_json_of_one_reading_is_read_to_its_limits(monkeypatch):
    assert parse_json(b"[" * 100 + b"]" * 100) is not None
    assert parse_json(b"[[1]]", max_depth=2) == [[1]]
    assert parse_json(b"[[[1]]]", max_depth=2) == Unreadable("the json nests deeper than 2 levels")
    assert parse_json(b"[[1],[2],[3]]", max_depth=2) == [[1], [2], [3]]
    assert parse_json(b'"[[[[[["', max_depth=2) == "[[[[[["
    assert parse_json(b' {"a" : "\\u00e9"} ') == {"a": "é"}
    monkeypatch.setattr(spelling, "MAX_VALUES", 5)
    many = Unreadable(spelling.MANY_VALUES)
    assert parse_json(b"[1,2,3,4,5]") == [1, 2, 3, 4, 5]
    assert parse_json(b"[1,2,3,4,5,6]") == many
    assert parse_json(b'{"a":[],"b":{}}') == {"a": [], "b": {}}
    assert parse_json(b"[{},{},{}]") == many
    assert parse_json(b'["a,b,c,d,e,f,g","\\",\\",,,,,,"]') == ["a,b,c,d,e,f,g", '",",,,,,,']
    assert parse_json(b'["\\\\",1,2,3,4,5]') == many
