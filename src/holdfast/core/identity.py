"""What of an identity provider's word is believed: the claims of an ID token that it signed.

And what one sign-in by a browser is bound to: everything is made anew out of what the browser
holds and a secret of the server's, which keeps nothing for strangers. Not here: signatures, keys,
and what is fetched (`backends/oidc`).
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, NamedTuple

from holdfast.model.identity import Person
from holdfast.model.users import user_fault

LEEWAY_S = 60
"""By so much the issuer's clock may be off."""
ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)
"""Signatures that are believed; none by a secret that is shared."""
FLOW_S = 600
_NS = 1_000_000_000


class Wanted(NamedTuple):
    """What a token has to be: from whom, for whom; `nonce` None where none was sent."""

    issuer: str
    client_id: str
    nonce: str | None
    now_ns: int


class Unfit(NamedTuple):
    """Why a token is not believed."""

    text: str


def person_of(claims: Mapping[str, Any], wanted: Wanted) -> Person | Unfit:
    """Whom the claims of a token tell of, whose signature holds."""
    if fault := _fault(claims, wanted):
        return Unfit(fault)
    subject: str = claims["sub"]
    return with_email(Person(issuer=wanted.issuer, subject=subject), claims)


def with_email(person: Person, claims: Mapping[str, Any]) -> Person:
    """The person with the address that the claims name, believed where they say it is verified."""
    email = claims.get("email")
    if not isinstance(email, str) or user_fault(email):
        return person
    believed = claims.get("email_verified") is True
    return Person(
        issuer=person.issuer,
        subject=person.subject,
        email=email if believed else "",
        unverified="" if believed else email,
    )


def _fault(claims: Mapping[str, Any], wanted: Wanted) -> str:
    """Why it is not believed; each question passes only what it asks for."""
    subject, audience = claims.get("sub"), claims.get("aud")
    if claims.get("iss") != wanted.issuer:
        return "it is of another issuer"
    if not isinstance(subject, str) or user_fault(subject):
        return "it names nobody"
    meant = [audience] if isinstance(audience, str) else audience
    if not isinstance(meant, list) or wanted.client_id not in meant:
        return "it is for another client"
    if (len(meant) > 1 or "azp" in claims) and claims.get("azp") != wanted.client_id:
        return "it was given to another client"
    if fault := _time_fault(claims, wanted.now_ns / _NS):
        return fault
    if wanted.nonce is not None and claims.get("nonce") != wanted.nonce:
        return "it is the answer to another sign-in"
    return ""


def _time_fault(claims: Mapping[str, Any], now_s: float) -> str:
    expires, issued = _number(claims.get("exp")), _number(claims.get("iat"))
    if expires is None or not now_s < expires + LEEWAY_S:
        return "it is over"
    if issued is None or not issued <= now_s + LEEWAY_S:
        return "it was issued in the future"
    begins = _number(claims.get("nbf", issued))
    if begins is None or not begins <= now_s + LEEWAY_S:
        return "it does not hold yet"
    return ""


def _number(value: object) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return value if abs(value) < 2**53 else None


class Flow(NamedTuple):
    """What one sign-in by a browser is bound to; `challenge` is what is sent of the verifier."""

    state: str
    nonce: str
    verifier: str
    challenge: str


def held_for(seed: str, now_ns: int) -> str:
    """What a browser holds of a sign-in that it begins; `seed` is a token of its own."""
    return f"{seed}.{now_ns // _NS + FLOW_S}"


def is_over(held: str, now_ns: int) -> bool:
    """Whether what a browser holds is of no use any more, or never was."""
    _, _, until = held.partition(".")
    return not (until.isascii() and until.isdecimal() and len(until) < 16) or (
        now_ns >= int(until) * _NS
    )


def flow_of(key: bytes, held: str) -> Flow:
    """The sign-in of what a browser holds; whoever does not know the key makes no part of it."""
    verifier = _derived(key, "verifier", held)
    digest = hashlib.sha256(verifier.encode()).digest()
    return Flow(
        state=_derived(key, "state", held),
        nonce=_derived(key, "nonce", held),
        verifier=verifier,
        challenge=_text(digest),
    )


def sealed(key: bytes, value: str) -> str:
    """A value with a mark by which its server knows it again."""
    return f"{value}.{_derived(key, 'seal', value)}"


def unsealed(key: bytes, text: str) -> str:
    """The value, empty for one that this server did not seal."""
    value, _, _ = text.rpartition(".")
    same = hmac.compare_digest(sealed(key, value).encode(), text.encode("utf-8", "replace"))
    return value if same else ""


def _derived(key: bytes, what: str, held: str) -> str:
    told = f"holdfast sign-in {what}\0{held}".encode("utf-8", "surrogatepass")
    return _text(hmac.new(key, told, hashlib.sha256).digest())


def _text(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
