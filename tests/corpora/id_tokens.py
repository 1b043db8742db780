"""Tokens of identity providers: those that have to be believed, and those that never may be.

Each is a function of the issuer's address. A third of each was kept apart: written after the rules,
and the rules were not changed for it.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

from tests.hostile_issuer import (
    CLIENT,
    ED,
    NOW_S,
    OTHER_RSA,
    P256,
    P384,
    RSA,
    SHORT_RSA,
    claims,
    signed,
    spelt,
)

Made = Callable[[str], Any]


def _by(**more: Any) -> Made:
    return lambda url: signed(claims(url, **more))


def _public() -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return RSA.public_key().public_bytes(serialization.Encoding.PEM, form)


def _by_secret(secret: bytes) -> Made:
    """Signed by a secret that everybody knows."""

    def made(url: str) -> str:
        unsigned = spelt({"alg": "HS256", "kid": "rsa"}, claims(url)).rpartition(".")[0]
        mac = hmac.new(secret, unsigned.encode(), hashlib.sha256).digest()
        return f"{unsigned}.{spelt({}, {}, mac).rpartition('.')[2]}"

    return made


def _really_signed(header: Mapping[str, Any], told: Callable[[str], Any], key: Any = RSA) -> Made:
    """By the issuer's own key, whatever the header says."""

    def made(url: str) -> str:
        unsigned = spelt(header, told(url)).rpartition(".")[0]
        signature = key.sign(unsigned.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{unsigned}.{spelt({}, {}, signature).rpartition('.')[2]}"

    return made


def _changed(url: str) -> str:
    head, _, signature = signed(claims(url)).rsplit(".", 2)
    return f"{head}.{spelt({}, claims(url, sub='bob')).split('.')[1]}.{signature}"


def _signed_text(text: str) -> str:
    def part(raw: bytes) -> str:
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    header = json.dumps({"alg": "RS256", "kid": "rsa"})
    unsigned = f"{part(header.encode())}.{part(text.encode())}"
    signature = RSA.sign(unsigned.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{unsigned}.{part(signature)}"


def _twice(url: str) -> str:
    return _signed_text(json.dumps(claims(url))[:-1] + ', "sub": "bob"}')


def _endless(url: str) -> str:
    return _signed_text(json.dumps(claims(url, exp=None))[:-1] + ', "exp": Infinity}')


BELIEVED: dict[str, Made] = {
    "a sound one": _by(),
    "a list of one audience": _by(aud=[CLIENT]),
    "two audiences, given to us": _by(aud=[CLIENT, "other"], azp=CLIENT),
    "a party that it was given to": _by(azp=CLIENT),
    "a minute over": _by(exp=NOW_S - 30),
    "a minute ahead": _by(iat=NOW_S + 30, nbf=NOW_S + 30),
    "times in parts of seconds": _by(iat=NOW_S - 0.5, exp=NOW_S + 0.5),
    "a subject with signs": _by(sub="<'&\">"),
    "claims that nobody asked for": _by(groups=["a"] * 50, at_hash="x", amr=["pwd"]),
    "no name of a key": lambda url: signed(claims(url), kid=None),
}
BELIEVED_KEPT_APART: dict[str, Made] = {
    "issued long ago and still good": _by(iat=NOW_S - 86_400),
    "an unverified address, a subject all the same": _by(email_verified=False),
    "no address at all": _by(email=None, email_verified=None),
    "a type in its header": lambda url: signed(claims(url), typ="JWT"),
    "a subject beyond ASCII": _by(sub="日本-ann"),
}

REFUSED: dict[str, Made] = {
    "nothing": lambda _: None,
    "a number": lambda _: 5,
    "an empty text": lambda _: "",
    "no signature": lambda url: spelt({"alg": "none"}, claims(url)),
    "no signature, in capitals": lambda url: spelt({"alg": "NONE", "kid": "rsa"}, claims(url)),
    "no algorithm": lambda url: spelt({"kid": "rsa"}, claims(url), b"x"),
    "the public key as a secret": _by_secret(_public()),
    "an empty secret": _by_secret(b""),
    "another's key": lambda url: signed(claims(url), OTHER_RSA),
    "another's key by a name of its own": lambda url: signed(claims(url), OTHER_RSA, kid="mine"),
    "a changed claim": _changed,
    "an algorithm that the key is not of": lambda url: signed(claims(url), P256, "ES256"),
    "an algorithm that the issuer does not name": lambda url: signed(claims(url), RSA, "RS512"),
    "a short key": _really_signed({"alg": "RS256", "kid": "short"}, claims, SHORT_RSA),
    "something critical that nobody knows": _really_signed(
        {"alg": "RS256", "kid": "rsa", "crit": ["exp"], "exp": 1}, claims
    ),
    "another issuer": _by(iss="https://evil.example"),
    "the issuer with a stroke more": lambda url: signed(claims(url, iss=f"{url}/")),
    "the issuer in capitals": lambda url: signed(claims(url, iss=url.upper())),
    "no issuer": _by(iss=None),
    "another client": _by(aud="other"),
    "other clients": _by(aud=["other", "more"]),
    "two audiences, given to nobody": _by(aud=[CLIENT, "other"]),
    "two audiences, given to the other": _by(aud=[CLIENT, "other"], azp="other"),
    "given to another client": _by(azp="other"),
    "no audience": _by(aud=None),
    "another nonce": _by(nonce="m"),
    "no nonce": _by(nonce=None),
    "over": _by(exp=NOW_S - 61),
    "no end": _by(exp=None),
    "an end in words": _by(exp=str(NOW_S + 300)),
    "an end that is a flag": _by(exp=True),
    "issued in the future": _by(iat=NOW_S + 3600),
    "no time of issue": _by(iat=None),
    "not yet": _by(nbf=NOW_S + 3600),
    "nobody": _by(sub=None),
    "an empty subject": _by(sub=""),
    "a subject that hides": _by(sub="ann\u202e"),
    "a subject that is a number": _by(sub=7),
}
REFUSED_KEPT_APART: dict[str, Made] = {
    "a list of claims": _really_signed({"alg": "RS256", "kid": "rsa"}, lambda url: [claims(url)]),
    "a claim twice": _twice,
    "a key in its own header": lambda url: signed(
        claims(url), OTHER_RSA, kid=None, jwk={"kty": "oct", "k": "x"}
    ),
    "a key from elsewhere": lambda url: signed(
        claims(url), OTHER_RSA, jku="https://evil.example/jwks"
    ),
    "a key's name that is a place": lambda url: signed(claims(url), OTHER_RSA, kid="../../x"),
    "a curve that is not the algorithm's": lambda url: signed(claims(url), P384, "ES384"),
    "the wrong kind of key under a good name": lambda url: signed(claims(url), ED, "EdDSA"),
    "a client within a longer name": _by(aud=f"{CLIENT} other"),
    "an audience that is an object": _by(aud={CLIENT: True}),
    "an end without end": _endless,
    "an end beyond numbers": _by(exp=10**40),
    "an address that is a subject": _by(sub=None, email="sub@acme.example"),
    "two tokens in one": lambda url: signed(claims(url)) + "." + signed(claims(url)),
    "blanks around it": lambda url: f" {signed(claims(url))}\n",
    "a token that is far too long": lambda url: signed(claims(url, more="x" * 70_000)),
    "a nonce that begins alike": _by(nonce="nn"),
    "a party that is a list": _by(azp=[CLIENT]),
    "a subject longer than names are": _by(sub="a" * 300),
}
