"""Permits: sign one allow, check one claim.

A token is `hfp1.<payload>.<signature>`: the payload is canonical JSON in unpadded base64url and
names its key; the signature is Ed25519 over `hfp1.<payload>`, so the version is signed too.
A token is only ever accepted in the exact spelling that `sign` writes.

Times are integers of nanoseconds beyond what JSON numbers hold exactly, so they travel as
decimal strings.

Not here: single use. A permit proves that a call was allowed, not that it has not run yet; the
caller marks `permit_id` redeemed in the same transaction that starts the call, and refuses one
already marked. Where keys come from and how they rotate is the caller's too.
"""

import base64
import binascii
import hashlib
import re
from collections import OrderedDict
from collections.abc import Mapping
from functools import lru_cache

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from holdfast.model.permits import Permit, PermitFault, PermitFaultCode

VERSION = "hfp1"
MAX_TOKEN_CHARS = 4096
CLOCK_SKEW_NS = 2_000_000_000
"""How far ahead of ours the clock of the issuing process may run."""


class _Payload(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The wire form: short names, times as decimal strings."""

    key: str
    id: str
    ses: str
    call: str
    tool: str
    dig: str
    iat: str
    exp: str
    dec: str


_decoder = msgspec.json.Decoder(_Payload)
_encoder = msgspec.json.Encoder(order="sorted")
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


def key_id(public_key: Ed25519PublicKey) -> str:
    """The name of a key: the first 16 hex digits of SHA-256 over its 32 raw bytes."""
    return hashlib.sha256(public_key.public_bytes_raw()).hexdigest()[:16]


@lru_cache(16)
def _key_id_of(key: Ed25519PrivateKey) -> str:
    """The name of a private key's public half; deriving it costs as much as signing."""
    return key_id(key.public_key())


def sign(permit: Permit, key: Ed25519PrivateKey) -> str:
    """The token of `permit` under `key`.

    Errors: ValueError when the permit cannot be written (a lone surrogate, a time out of range,
    more than `MAX_TOKEN_CHARS`): a fault of the caller, since ids are made by the house.
    """
    payload = _Payload(
        key=_key_id_of(key),
        id=permit.permit_id,
        ses=permit.session,
        call=permit.call_id,
        tool=permit.tool,
        dig=permit.digest,
        iat=_decimal(permit.issued_at_ns),
        exp=_decimal(permit.expires_at_ns),
        dec=permit.decision_id,
    )
    head = f"{VERSION}.{_b64url(_spell(payload))}"
    token = f"{head}.{_b64url(key.sign(head.encode('ascii')))}"
    if len(token) > MAX_TOKEN_CHARS:
        raise ValueError(f"the permit is longer than {MAX_TOKEN_CHARS} characters")
    return token


def verify(
    token: str,
    public_keys: Mapping[str, Ed25519PublicKey],
    *,
    session: str,
    call_id: str,
    tool: str,
    digest: str,
    now_ns: int,
    signed: "Signed | None" = None,
) -> Permit | PermitFault:
    """The permit in `token`, if it allows exactly this call now; else the first fault found.

    The signature is checked before anything the payload says is believed. `public_keys` maps
    `key_id` to the key; a token under any other key is `bad_signature`. `signed` holds what the
    caller signed itself: such a token, letter for letter the same, needs no check of its signature.
    """
    known = signed.get(token) if signed is not None else None
    permit = known if known is not None else _authentic(token, public_keys)
    if isinstance(permit, PermitFault):
        return permit
    code: PermitFaultCode | None = None
    if permit.session != session:
        code = PermitFaultCode.WRONG_SESSION
    elif permit.call_id != call_id:
        code = PermitFaultCode.WRONG_CALL
    elif permit.tool != tool:
        code = PermitFaultCode.WRONG_TOOL
    elif permit.digest != digest:
        code = PermitFaultCode.WRONG_DIGEST
    elif now_ns >= permit.expires_at_ns:
        code = PermitFaultCode.EXPIRED
    elif now_ns < permit.issued_at_ns - CLOCK_SKEW_NS:
        code = PermitFaultCode.NOT_YET_VALID
    return permit if code is None else PermitFault(code, _TEXTS[code])


class Signed:
    """Tokens that this process signed and handed out, the newest of them.

    Checking a signature costs thrice what making it does. A token that is not here is checked as
    any other, so nothing but time is lost with what is forgotten.
    """

    def __init__(self, kept: int = 10_000) -> None:
        self._kept = kept
        self._permits: OrderedDict[str, Permit] = OrderedDict()

    def remember(self, token: str, permit: Permit) -> None:
        """`token` is what `sign` made of `permit`; what had expired by then is let go."""
        self._permits[token] = permit
        while self._permits:
            oldest = next(iter(self._permits))
            expired = self._permits[oldest].expires_at_ns <= permit.issued_at_ns
            if not expired and len(self._permits) <= self._kept:
                return
            del self._permits[oldest]

    def forget(self, token: str) -> None:
        """It will not be asked for again."""
        self._permits.pop(token, None)

    def get(self, token: str) -> Permit | None:
        """The permit of a token that is known, letter for letter."""
        return self._permits.get(token)


def _authentic(token: str, public_keys: Mapping[str, Ed25519PublicKey]) -> Permit | PermitFault:
    """The permit that one of our keys signed; nothing is yet said about which call it allows."""
    parts = token.split(".") if len(token) <= MAX_TOKEN_CHARS and token.isascii() else []
    if len(parts) != 3 or parts[0] != VERSION:
        return _fault(PermitFaultCode.MALFORMED)
    encoded, signature = _unb64url(parts[1]), _unb64url(parts[2])
    payload = None if encoded is None else _read_payload(encoded)
    if payload is None or signature is None:
        return _fault(PermitFaultCode.MALFORMED)
    key = public_keys.get(payload.key)
    if key is None:
        return _fault(PermitFaultCode.BAD_SIGNATURE)
    try:
        key.verify(signature, f"{parts[0]}.{parts[1]}".encode("ascii"))
    except InvalidSignature:
        return _fault(PermitFaultCode.BAD_SIGNATURE)
    return Permit(
        permit_id=payload.id,
        session=payload.ses,
        call_id=payload.call,
        tool=payload.tool,
        digest=payload.dig,
        issued_at_ns=int(payload.iat),
        expires_at_ns=int(payload.exp),
        decision_id=payload.dec,
    )


def _spell(payload: _Payload) -> bytes:
    """Canonical: nine strings under ASCII names, which msgspec writes as RFC 8785 does."""
    try:
        return _encoder.encode(payload)
    except ValueError:
        reason = "a string holds a lone surrogate"
        raise ValueError(f"the permit cannot be signed: {reason}") from None


def _read_payload(encoded: bytes) -> _Payload | None:
    try:
        payload = _decoder.decode(encoded)
    except (msgspec.MsgspecError, ValueError):
        return None
    times_hold = _DECIMAL.fullmatch(payload.iat) and _DECIMAL.fullmatch(payload.exp)
    if not times_hold or _encoder.encode(payload) != encoded:
        return None
    return payload


_TEXTS = {
    PermitFaultCode.MALFORMED: "the permit is not a permit token",
    PermitFaultCode.BAD_SIGNATURE: "the permit was not signed by this house",
    PermitFaultCode.EXPIRED: "the permit has expired",
    PermitFaultCode.NOT_YET_VALID: "the permit is not valid yet",
    PermitFaultCode.WRONG_SESSION: "the permit belongs to another session",
    PermitFaultCode.WRONG_CALL: "the permit belongs to another call",
    PermitFaultCode.WRONG_TOOL: "the permit is for another tool",
    PermitFaultCode.WRONG_DIGEST: "the permit is for other arguments",
}


def _fault(code: PermitFaultCode) -> PermitFault:
    return PermitFault(code, _TEXTS[code])


def _decimal(at_ns: int) -> str:
    text = str(at_ns)
    if not _DECIMAL.fullmatch(text):
        raise ValueError("a time of the permit is out of range")
    return text


def _b64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _unb64url(text: str) -> bytes | None:
    """The bytes, or None unless `text` is the one unpadded spelling of them."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if _b64url(raw) == text else None
