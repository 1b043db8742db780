"""Whether a token was signed by a key that its issuer publishes.

Only signatures by a private key are taken, of the algorithms that both sides name. Not here: what
the token says (`core/identity`), fetching keys (`provider`).
"""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.api_jws import PyJWS

from holdfast.core.canonical import Unreadable, parse_json
from holdfast.core.identity import ALGORITHMS
from holdfast.errors import Unauthenticated

MOST_CHARACTERS = 64 * 1024
MOST_KEYS = 100
_RSA_BITS = range(2048, 16_385)
_OF_KIND = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}


class UnknownKey(Exception):
    """No key is known by the name that the token gives."""


def allowed(named: object) -> tuple[str, ...]:
    """Of the algorithms that an issuer names, those that are taken; RS256 where it names none."""
    told = named if isinstance(named, list) else ["RS256"]
    return tuple(one for one in ALGORITHMS if one in told)


def usable_keys(published: object) -> list[Mapping[str, Any]]:
    """Keys of an issuer that may have signed a token: public ones, meant for signatures."""
    found = published[:MOST_KEYS] if isinstance(published, list) else []
    return [
        key
        for key in found
        if isinstance(key, dict)
        and key.get("kty") in {"RSA", "EC", "OKP"}
        and key.get("use", "sig") == "sig"
        and "verify" in key.get("key_ops", ["verify"])
    ]


def claims_of(
    token: object, keys: Sequence[Mapping[str, Any]], algorithms: Iterable[str]
) -> Mapping[str, Any]:
    """What a token says that one of the keys signed. Errors: Unauthenticated, UnknownKey."""
    if not isinstance(token, str) or not 0 < len(token) <= MOST_CHARACTERS:
        raise _unbelieved("it is none")
    taken, signatures = tuple(algorithms), PyJWS(ALGORITHMS)
    try:
        header = signatures.get_unverified_header(token)
        algorithm = header.get("alg")
        if algorithm not in taken or "crit" in header:
            raise _unbelieved("it is signed in a way that is not taken")
        key = _key(keys, header.get("kid"), str(algorithm))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            payload = signatures.decode(token, key, algorithms=[str(algorithm)])
    except (jwt.PyJWTError, ValueError, TypeError, Warning):
        raise _unbelieved("its signature does not hold") from None
    said = parse_json(payload) if isinstance(payload, bytes) else None
    if isinstance(said, Unreadable) or not isinstance(said, dict):
        raise _unbelieved("it says nothing that can be read")
    return said


def _key(keys: Sequence[Mapping[str, Any]], name: object, algorithm: str) -> jwt.PyJWK:
    """The one key that the token may be signed with. Errors: UnknownKey, Unauthenticated."""
    fitting = [
        key
        for key in keys
        if key["kty"] == _OF_KIND[algorithm[:2]]
        and key.get("alg", algorithm) == algorithm
        and (name is None or key.get("kid") == name)
    ]
    if len(fitting) != 1:
        raise UnknownKey
    found = jwt.PyJWK(dict(fitting[0]), algorithm)
    if isinstance(found.key, RSAPublicKey) and found.key.key_size not in _RSA_BITS:
        raise _unbelieved("its key has a size that is not taken")
    return found


def _unbelieved(why: str) -> Unauthenticated:
    return Unauthenticated(f"the identity provider's token is not believed: {why}")
