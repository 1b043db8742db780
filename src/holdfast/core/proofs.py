"""How a client and its server prove to each other that both know a token, without sending it.

The key is the digest of the token, which is what a server keeps of it. A client asks for a
challenge, and the server's answer proves that it knows the key; each request is then signed with
it, and so is each answer. Whoever stands between reads them and can neither change one, nor send
one again, nor act by itself. Fields are joined with their lengths, so that no two sets of fields
are one text. Not here: which challenges a server gave out (`runtime/proofs`).
"""

import hashlib
import hmac
from typing import NamedTuple

SCHEME = "Holdfast"
PATH = "/v1/proof"
ANSWER_HEADER = "x-holdfast-proof"
_HEX = frozenset("0123456789abcdef")
_MAX_HEADER = 2048
_MAX_NUMBER = 2**53


class Signed(NamedTuple):
    """What the `authorization` header of a signed request says.

    `address` is where the client believes the server to be, empty where whoever runs it said so;
    `number` is never used twice under one challenge; `body` is SHA-256 of the body and `once` of
    the key by which the request is known again (`core/repeats`), empty without one, both in hex.
    """

    key: str
    challenge: str
    number: int
    address: str
    body: str
    once: str
    mac: str


def key_of(token: str) -> bytes:
    """What both sides know of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def key_name(key: bytes) -> str:
    """Which key is meant; tells nothing of it."""
    return _mac(key, "key name")[:32]


def server_proof(key: bytes, nonce: str, challenge: str, address: str) -> str:
    """What a server answers to a client's nonce."""
    return _mac(key, "server", nonce, challenge, address)


def request_mac(key: bytes, signed: Signed, method: str, target: str) -> str:
    """The MAC of a request; `target` is its path with the query."""
    return _mac(
        key,
        "request",
        signed.challenge,
        str(signed.number),
        signed.address,
        method,
        target,
        signed.body,
        signed.once,
    )


def digest_of(text: bytes) -> str:
    """How a body or a key stands in a signed request."""
    return hashlib.sha256(text).hexdigest()


def answer_mac(key: bytes, request: str, status: int, body: bytes) -> str:
    """The MAC of the answer to the request that has the MAC `request`."""
    return _mac(key, "answer", request, str(status), hashlib.sha256(body).hexdigest())


def seal_of(key: bytes, url: str, pid: int, state_dir: str) -> str:
    """What a server writes into its announcement: only who knows the token can write it."""
    return _mac(key, "announcement", url, str(pid), state_dir)


def header_of(signed: Signed) -> str:
    """The `authorization` header."""
    fields = zip(Signed._fields, signed, strict=True)
    return f"{SCHEME} " + ",".join(f"{name}={value}" for name, value in fields)


def read_header(text: str) -> Signed | None:
    """The header's fields, None where it is none of ours or not whole."""
    scheme, _, rest = text.partition(" ")
    if scheme.lower() != SCHEME.lower() or len(text) > _MAX_HEADER:
        return None
    told = [part.partition("=") for part in rest.split(",")]
    fields = {name.strip(): value for name, _, value in told}
    if len(told) != len(Signed._fields) or fields.keys() != set(Signed._fields):
        return None
    number = fields.pop("number")
    if not number.isascii() or not number.isdecimal() or len(number) > len(str(_MAX_NUMBER)):
        return None
    if not all(_is_hex(fields[name]) for name in ("key", "body", "once", "mac")):
        return None
    return Signed(number=int(number), **fields)


def same(one: str, other: str) -> bool:
    """Whether two MACs are one, in the same time for every pair."""
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))


def _is_hex(text: str) -> bool:
    return bool(text) and _HEX.issuperset(text)


def _mac(key: bytes, purpose: str, *fields: str) -> str:
    joined = bytearray(b"holdfast proof 1\0")
    for field in (purpose, *fields):
        raw = field.encode("utf-8", "surrogatepass")
        joined += len(raw).to_bytes(8, "big") + raw
    return hmac.digest(key, bytes(joined), "sha256").hex()
