"""Permits hold for any values: they come back whole, and nothing altered is accepted."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.permits import key_id, sign, verify
from holdfast.model.permits import Permit, PermitFault

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEYS = {key_id(KEY.public_key()): KEY.public_key()}

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
permits = st.builds(
    Permit,
    permit_id=names,
    session=names,
    call_id=names,
    tool=names,
    digest=names,
    issued_at_ns=st.integers(0, 2**60),
    expires_at_ns=st.integers(2**60 + 1, 2**61),
    decision_id=names,
)


def check(token, permit, **changed):
    claim = {
        "session": permit.session,
        "call_id": permit.call_id,
        "tool": permit.tool,
        "digest": permit.digest,
    }
    return verify(token, KEYS, now_ns=permit.issued_at_ns, **{**claim, **changed})


@given(permits)
def test_what_was_signed_comes_back(permit):
    assert check(sign(permit, KEY), permit) == permit


@given(permits, st.data())
def test_any_altered_character_fails(permit, data):
    token = sign(permit, KEY)
    at = data.draw(st.integers(0, len(token) - 1))
    swap = data.draw(st.characters(max_codepoint=255).filter(lambda c: c != token[at]))
    assert isinstance(check(token[:at] + swap + token[at + 1 :], permit), PermitFault)


def test_every_altered_bit_of_one_token_fails():
    permit = Permit(
        permit_id="p", session="s", call_id="c", tool="t", digest="d",
        issued_at_ns=0, expires_at_ns=2**61, decision_id="x",
    )  # fmt: skip
    token = sign(permit, KEY).encode()
    for at in range(len(token)):
        for bit in range(8):
            altered = bytearray(token)
            altered[at] ^= 1 << bit
            assert isinstance(check(altered.decode("latin-1"), permit), PermitFault)


@given(permits, st.data())
def test_a_dropped_or_added_piece_fails(permit, data):
    token = sign(permit, KEY)
    at = data.draw(st.integers(0, len(token) - 1))
    assert isinstance(check(token[:at] + token[at + 1 :], permit), PermitFault)
    extra = data.draw(st.sampled_from(list("A=.\n \0")))
    assert isinstance(check(token[:at] + extra + token[at:], permit), PermitFault)


@given(permits, st.sampled_from(["session", "call_id", "tool", "digest"]), names)
def test_any_mismatch_fails(permit, field, other):
    token = sign(permit, KEY)
    answer = check(token, permit, **{field: other})
    if other == getattr(permit, field):
        assert answer == permit
    else:
        assert isinstance(answer, PermitFault)


@given(permits, permits)
def test_parts_of_two_tokens_do_not_mix(one, two):
    first, second = sign(one, KEY).split("."), sign(two, KEY).split(".")
    mixed = f"{first[0]}.{first[1]}.{second[2]}"
    if one != two:
        assert isinstance(check(mixed, one), PermitFault)
