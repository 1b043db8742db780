"""The client's side of proving: a nonce out, a challenge in, and every request signed under it.

Not here: sending (`wire`), the arithmetic (`core/proofs`).
"""

import itertools
import secrets
from collections.abc import Mapping

import msgspec

from holdfast.core import proofs
from holdfast.core.proofs import Signed
from holdfast.model.views.server import Challenge

from .exchange import Asked


class Signer:
    """One token towards one server at a time; it holds the key of the token and sends neither."""

    def __init__(self, token: str) -> None:
        self._key = proofs.key_of(token)
        self.forget()

    def forget(self) -> None:
        """The next request needs a new challenge."""
        self._url = self._challenge = self._address = ""
        self._numbers = itertools.count()

    def ready(self, url: str) -> bool:
        """Whether the server at this address has proved itself."""
        return bool(self._challenge) and self._url == url

    def ask(self, address: str) -> dict[str, str]:
        """What to ask a server for; `address` is empty where whoever runs this named it."""
        nonce = secrets.token_hex(32)
        return {"key": proofs.key_name(self._key), "nonce": nonce, "address": address}

    def accept(self, url: str, asked: Mapping[str, str], answer: bytes) -> bool:
        """Whether the answer to `asked` proves that the server knows the key."""
        try:
            given = msgspec.json.decode(answer, type=Challenge)
        except msgspec.MsgspecError:
            return False
        wanted = proofs.server_proof(self._key, asked["nonce"], given.challenge, asked["address"])
        if not given.challenge or not proofs.same(wanted, given.proof):
            return False
        self._url, self._address, self._challenge = url, asked["address"], given.challenge
        self._numbers = itertools.count()
        return True

    def sign(self, asked: Asked) -> Signed:
        """The head of one request."""
        unsigned = Signed(
            key=proofs.key_name(self._key),
            challenge=self._challenge,
            number=next(self._numbers),
            address=self._address,
            body=proofs.digest_of(asked.content or b""),
            once=proofs.digest_of(asked.key.encode()),
            mac="",
        )
        mac = proofs.request_mac(self._key, unsigned, asked.method, asked.target)
        return unsigned._replace(mac=mac)

    def answered(self, head: Signed, status: int, body: bytes, proof: str) -> bool:
        """Whether it is the answer of the server that knows the key, to this very request."""
        return proofs.same(proofs.answer_mac(self._key, head.mac, status, body), proof)
