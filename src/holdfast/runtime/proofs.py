"""The server's side of proving: challenges that it gives out, requests that were signed under them.

A challenge is kept by nobody before a request was signed under it: it names its own end under a
key of this process, so that strangers who ask for many cost nothing, and none outlives the server.
Not here: the arithmetic (`core/proofs`), what the owner of a key may do.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterable

from holdfast.core import proofs
from holdfast.core.proofs import Signed
from holdfast.errors import Unauthenticated
from holdfast.model.views.server import Challenge
from holdfast.ports.clock import Clock

LIFETIME_NS = 600_000_000_000
_BEHIND = 4096
_MAX_NONCE = 128
_MAX_ADDRESS = 512
_UNKNOWN = "the token is not one that this server issued"


class _Used:
    """Numbers seen under one challenge: the highest, and which of the `_BEHIND` below it."""

    def __init__(self) -> None:
        self.highest = -1
        self.seen: set[int] = set()

    def take(self, number: int) -> bool:
        """Whether it is the first time."""
        if number in self.seen or number <= self.highest - _BEHIND:
            return False
        self.seen.add(number)
        if number > self.highest:
            self.highest = number
            if len(self.seen) > 2 * _BEHIND:
                self.seen = {n for n in self.seen if n > number - _BEHIND}
        return True


class Proofs:
    """`keys` are the digests of tokens that may sign; `address` is where this server is found."""

    def __init__(
        self,
        keys: Callable[[], Iterable[str]],
        address: str,
        clock: Clock,
        secret: bytes,
        new_nonce: Callable[[], str],
    ) -> None:
        self._keys = keys
        self._address = address
        self._clock = clock
        self._secret = secret
        self._new_nonce = new_nonce
        self._digests: tuple[str, ...] = ()
        self._named: dict[str, bytes] = {}
        self._used: dict[str, tuple[int, _Used]] = {}

    def challenge(self, key: str, nonce: str, address: str) -> Challenge:
        """A challenge for the owner of a key. Errors: Unauthenticated."""
        if not 0 < len(nonce) <= _MAX_NONCE or len(address) > _MAX_ADDRESS:
            raise Unauthenticated(_UNKNOWN)
        found = self._key(key)
        self._check_address(address)
        ends_ns = self._clock.now_ns() + LIFETIME_NS
        body = f"{ends_ns:x}.{self._new_nonce()}"
        challenge = f"{body}.{self._own(key, body)}"
        return Challenge(challenge, proofs.server_proof(found, nonce, challenge, address))

    def check(self, signed: Signed, method: str, target: str) -> bytes:
        """The key of a request that its owner signed, here, for this server, for the first time.

        Errors: Unauthenticated, with `proof: stale` where a new challenge would do.
        """
        found = self._key(signed.key)
        if not proofs.same(proofs.request_mac(found, signed, method, target), signed.mac):
            raise Unauthenticated("the signature of the request does not hold")
        self._check_address(signed.address)
        ends_ns = self._end_of(signed)
        now_ns = self._clock.now_ns()
        if ends_ns <= now_ns:
            raise Unauthenticated("the request was signed under an old challenge", proof="stale")
        self._forget(now_ns)
        _, used = self._used.setdefault(signed.challenge, (ends_ns, _Used()))
        if not used.take(signed.number):
            raise Unauthenticated("the request was sent before", proof="used")
        return found

    def _key(self, name: str) -> bytes:
        digests = tuple(self._keys())
        if digests != self._digests:
            # A name is no secret, and anybody may ask: one look, however many keys there are.
            keys = [bytes.fromhex(digest) for digest in digests]
            self._digests, self._named = digests, {proofs.key_name(key): key for key in keys}
        found = self._named.get(name)
        if found is None:
            raise Unauthenticated(_UNKNOWN)
        return found

    def _check_address(self, address: str) -> None:
        if address and address != self._address:
            raise Unauthenticated("the request was made for a server at another address")

    def _end_of(self, signed: Signed) -> int:
        body, _, mac = signed.challenge.rpartition(".")
        if not proofs.same(self._own(signed.key, body), mac):
            text = "the request was signed under a challenge of another server"
            raise Unauthenticated(text, proof="stale")
        return int(body.partition(".")[0], 16)

    def _own(self, key: str, body: str) -> str:
        return hmac.new(self._secret, f"{key}.{body}".encode(), hashlib.sha256).hexdigest()

    def _forget(self, now_ns: int) -> None:
        for challenge, (ends_ns, _) in list(self._used.items())[:2]:
            if ends_ns <= now_ns:
                del self._used[challenge]
