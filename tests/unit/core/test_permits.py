"""Permits: what a token says, and what refuses it."""

import base64
import json

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from holdfast.core.permits import (
    CLOCK_SKEW_NS,
    MAX_TOKEN_CHARS,
    Signed,
    key_id,
    sign,
    verify,
)
from holdfast.model.permits import Permit, PermitFault, PermitFaultCode

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
KEYS = {key_id(KEY.public_key()): KEY.public_key()}
START = 1_790_000_000_123_456_789
PERMIT = Permit(
    permit_id="pmt_1",
    session="ses_1",
    call_id="toolu_1",
    tool="Bash",
    digest="sha256:" + "a" * 64,
    issued_at_ns=START,
    expires_at_ns=START + 60_000_000_000,
    decision_id="dec_1",
)
CLAIM = {"session": "ses_1", "call_id": "toolu_1", "tool": "Bash", "digest": PERMIT.digest}


def check(token, keys=KEYS, now_ns=START, **changed):
    return verify(token, keys, now_ns=now_ns, **{**CLAIM, **changed})


def code(answer):
    assert isinstance(answer, PermitFault)
    assert answer.text == answer.text.lower()
    return answer.code


def test_a_permit_comes_back_whole_to_the_nanosecond():
    assert check(sign(PERMIT, KEY)) == PERMIT


def test_a_token_is_three_parts_with_a_readable_payload_naming_its_key():
    version, payload, _ = sign(PERMIT, KEY).split(".")
    read = json.loads(base64.urlsafe_b64decode(payload + "=="))
    assert version == "hfp1"
    assert read["key"] == key_id(KEY.public_key())
    assert read["tool"] == "Bash"


WRONG = [
    ({"session": "ses_2"}, PermitFaultCode.WRONG_SESSION),
    ({"call_id": "toolu_2"}, PermitFaultCode.WRONG_CALL),
    ({"tool": "bash"}, PermitFaultCode.WRONG_TOOL),
    ({"digest": "sha256:" + "b" * 64}, PermitFaultCode.WRONG_DIGEST),
    ({"now_ns": PERMIT.expires_at_ns}, PermitFaultCode.EXPIRED),
    ({"now_ns": START - CLOCK_SKEW_NS - 1}, PermitFaultCode.NOT_YET_VALID),
]


@pytest.mark.parametrize(("changed", "expected"), WRONG)
def test_a_permit_holds_for_its_own_call_and_time_only(changed, expected):
    assert code(check(sign(PERMIT, KEY), **changed)) is expected


def test_the_edges_of_its_time_belong_to_the_permit():
    token = sign(PERMIT, KEY)
    assert check(token, now_ns=PERMIT.expires_at_ns - 1) == PERMIT
    assert check(token, now_ns=START - CLOCK_SKEW_NS) == PERMIT


def test_a_token_of_another_key_is_refused_even_under_our_keys_name():
    forged = sign(PERMIT, OTHER)
    assert code(check(forged)) is PermitFaultCode.BAD_SIGNATURE
    ours = sign(PERMIT, KEY)
    spliced = ours.rsplit(".", 1)[0] + "." + forged.rsplit(".", 1)[1]
    assert code(check(spliced)) is PermitFaultCode.BAD_SIGNATURE
    assert code(check(ours, keys={})) is PermitFaultCode.BAD_SIGNATURE


def test_keys_can_rotate_because_tokens_name_them():
    keys = {**KEYS, key_id(OTHER.public_key()): OTHER.public_key()}
    assert check(sign(PERMIT, KEY), keys) == check(sign(PERMIT, OTHER), keys) == PERMIT


def signed_payload(payload: bytes) -> str:
    head = "hfp1." + base64.urlsafe_b64encode(payload).rstrip(b"=").decode()
    signature = base64.urlsafe_b64encode(KEY.sign(head.encode())).rstrip(b"=").decode()
    return f"{head}.{signature}"


GOOD = {
    "key": key_id(KEY.public_key()), "id": "p", "ses": "s", "call": "c", "tool": "t",
    "dig": "d", "iat": "1", "exp": "2", "dec": "x",
}  # fmt: skip


@pytest.mark.parametrize(
    "payload",
    [
        json.dumps(GOOD).encode(),
        json.dumps({**GOOD, "more": 1}, separators=(",", ":"), sort_keys=True).encode(),
        json.dumps({**GOOD, "iat": "01"}, separators=(",", ":"), sort_keys=True).encode(),
        json.dumps({**GOOD, "exp": "-2"}, separators=(",", ":"), sort_keys=True).encode(),
        json.dumps({**GOOD, "exp": 2}, separators=(",", ":"), sort_keys=True).encode(),
        json.dumps({**GOOD, "exp": "9" * 40}, separators=(",", ":"), sort_keys=True).encode(),
        b"\xff",
        b"[" * 2000,
        b"null",
        b"",
    ],
)
def test_even_a_signed_payload_must_be_spelt_as_sign_spells_it(payload):
    assert code(check(signed_payload(payload))) is PermitFaultCode.MALFORMED


@pytest.mark.parametrize(
    "token",
    [
        "",
        "hfp1",
        "hfp1..",
        "hfp1.e30.e30",
        "hfp2." + sign(PERMIT, KEY).split(".", 1)[1],
        sign(PERMIT, KEY) + "=",
        sign(PERMIT, KEY) + "\n",
        " " + sign(PERMIT, KEY),
        sign(PERMIT, KEY) + ".x",
        "hfp1." + "\u0661" * 8 + ".aa",
        "hfp1." + "A" * MAX_TOKEN_CHARS + ".AA",
    ],
)
def test_what_is_no_token_is_malformed(token):
    assert code(check(token)) is PermitFaultCode.MALFORMED


@pytest.mark.parametrize(
    "changed",
    [
        {"tool": "\ud800"},
        {"issued_at_ns": -1},
        {"expires_at_ns": 10**19},
        {"call_id": "x" * MAX_TOKEN_CHARS},
    ],
)
def test_a_permit_that_no_token_can_hold_is_not_signed(changed):
    with pytest.raises(ValueError, match="permit"):
        sign(msgspec.structs.replace(PERMIT, **changed), KEY)


@pytest.mark.parametrize(("changed", "expected"), WRONG)
def test_a_token_that_is_remembered_holds_for_its_own_call_and_time_only(changed, expected):
    signed, token = Signed(), sign(PERMIT, KEY)
    signed.remember(token, PERMIT)
    # Without keys nothing but memory can know it.
    assert check(token, {}, signed=signed) == PERMIT
    assert code(check(token, signed=signed, **changed)) is expected


def test_a_token_that_is_not_remembered_to_the_letter_is_checked_as_any_other():
    signed, token = Signed(), sign(PERMIT, KEY)
    signed.remember(token, PERMIT)
    for other in (token + "=", token[:-1], token.upper(), sign(PERMIT, OTHER)):
        assert isinstance(check(other, signed=signed), PermitFault)
    signed.forget(token)
    assert code(check(token, {}, signed=signed)) is PermitFaultCode.BAD_SIGNATURE
    assert check(token, signed=signed) == PERMIT


def test_only_so_many_tokens_are_remembered_and_the_oldest_is_forgotten_first():
    signed = Signed(kept=2)
    for name in ("a", "b", "c"):
        signed.remember(name, PERMIT)
    assert [signed.get(name) is not None for name in ("a", "b", "c")] == [False, True, True]


def test_tokens_that_expired_are_let_go_when_the_next_is_remembered():
    signed = Signed()
    signed.remember("a", PERMIT)
    early = msgspec.structs.replace(PERMIT, issued_at_ns=PERMIT.expires_at_ns - 1)
    signed.remember("b", early)
    assert signed.get("a") == PERMIT
    late = msgspec.structs.replace(
        PERMIT, issued_at_ns=PERMIT.expires_at_ns, expires_at_ns=PERMIT.expires_at_ns + 1
    )
    signed.remember("c", late)
    assert (signed.get("a"), signed.get("b"), signed.get("c")) == (None, None, late)
