"""Challenges and requests signed under them: each fault by name, each bound from both sides."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import hashlib
import hmac
from typing import Any

import pytest

from holdfast.core import proofs as rules
from holdfast.core.proofs import Signed
from holdfast.errors import Unauthenticated
from holdfast.model.views.server import Challenge
from holdfast.runtime import proofs
from holdfast.runtime.proofs import Proofs
from holdfast.testing.clock import FakeClock

ABOUT = pytest.mark.parametrize("module", ["holdfast.runtime.proofs"])
KEYS = [rules.key_of(token) for token in ("one", "two")]
NAME = rules.key_name(KEYS[0])
HERE = "http://here"
UNKNOWN: Any = ("the token is not one that this server issued", {})
ELSEWHERE: Any = ("the request was made for a server at another address", {})
FALSE: Any = ("the signature of the request does not hold", {})
STALE = {"proof": "stale"}
OTHER = ("the request was signed under a challenge of another server", STALE)
OLD = ("the request was signed under an old challenge", STALE)
USED = ("the request was sent before", {"proof": "used"})


class Server:
    """One server's proofs, and a client that knows the first token."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.keys = list(KEYS)
        self.listed = 0
        self.nonces = 0
        self.proofs = Proofs(self._digests, HERE, self.clock, b"secret", self._nonce)

    def _digests(self):
        self.listed += 1
        return (key.hex() for key in self.keys)

    def _nonce(self):
        self.nonces += 1
        return f"n{self.nonces}"

    def challenge(self, key=NAME, nonce="n", address=HERE):
        return self.proofs.challenge(key, nonce, address)

    def check(self, challenge, number=1, *, method="POST", target="/x?q", mac="", **fields):
        given: Any = {"key": NAME, "address": HERE, "body": "b", "once": "0c"} | fields
        signed = Signed(challenge=challenge, number=number, mac="", **given)
        made = rules.request_mac(KEYS[0], signed, "POST", "/x?q")
        return self.proofs.check(signed._replace(mac=mac or made), method, target)


def why(act, *given, **named):
    with pytest.raises(Unauthenticated) as refused:
        act(*given, **named)
    return refused.value.message, refused.value.fields


@ABOUT
def test_challenge_names_its_end_under_a_key_of_this_process(module):
    assert module == proofs.__name__
    server = Server()
    for number, address in ((1, HERE), (2, "")):
        found = server.challenge(address=address)
        body = f"{server.clock.now_ns() + 600 * 10**9:x}.n{number}"
        mac = hmac.new(b"secret", f"{NAME}.{body}".encode(), hashlib.sha256).hexdigest()
        proof = rules.server_proof(KEYS[0], "n", f"{body}.{mac}", address)
        assert found == Challenge(f"{body}.{mac}", proof)
    server.challenge(nonce="n" * 128)
    for given, fault in (
        ({"nonce": ""}, UNKNOWN),
        ({"nonce": "n" * 129}, UNKNOWN),
        ({"address": "a" * 513}, UNKNOWN),
        ({"address": "a" * 512}, ELSEWHERE),
        ({"address": "http://there"}, ELSEWHERE),
        ({"key": "no"}, UNKNOWN),
        ({"key": "no", "address": "http://there"}, UNKNOWN),
    ):
        assert why(server.challenge, **given) == fault
    # A key that came or went counts at once.
    second = rules.key_name(KEYS[1])
    assert server.challenge(second).challenge != ""
    server.keys = KEYS[:1]
    assert why(server.challenge, second) == UNKNOWN
    server.keys = KEYS[1:]
    assert why(server.challenge) == UNKNOWN
    assert server.challenge(second).challenge != ""


@ABOUT
def test_request_counts_once_for_this_server_and_until_its_challenge_ends(module):
    assert module == proofs.__name__
    server = Server()
    challenge = server.challenge().challenge
    body, _, mac = challenge.rpartition(".")
    for given, fault in (
        ({"key": "no"}, UNKNOWN),
        ({"method": "GET"}, FALSE),
        ({"target": "/x"}, FALSE),
        ({"mac": "0" * 64}, FALSE),
        ({"address": "http://there"}, ELSEWHERE),
    ):
        assert why(server.check, challenge, **given) == fault
    for other in (f"{body}0.{mac}", f"{body}.{'0' * 64}", mac, ""):
        assert why(server.check, other) == OTHER
    assert server.check(challenge) == KEYS[0]
    assert why(server.check, challenge) == USED
    assert server.check(challenge, 2, address="") == KEYS[0]
    server.clock.advance(600 - 1e-9)
    assert server.check(challenge, 3) == KEYS[0]
    server.clock.advance(1e-9)
    assert why(server.check, challenge, 4) == OLD
    server.clock.advance(1)
    assert why(server.check, challenge, 4) == OLD


@ABOUT
def test_numbers_may_come_out_of_order_within_four_thousand_and_each_once(module):
    assert module == proofs.__name__
    used = proofs._Used()
    assert (used.take(0), used.take(0), used.take(-1)) == (True, False, True)
    assert used.take(5_000)
    assert used.take(5_000 - 4_095)
    assert not used.take(5_000 - 4_096)
    assert not used.take(5_000)
    assert used.highest == 5_000
    # Those far below are let go only where there are many, and each is used up all the same.
    used = proofs._Used()
    assert all(used.take(number) for number in range(8_192))
    assert len(used.seen) == 8_192
    assert used.take(8_192)
    assert used.seen == set(range(8_192 - 4_095, 8_193))
    assert not any(used.take(number) for number in (0, 4_096, 4_097, 8_192))


@ABOUT
def test_challenges_that_ended_are_let_go_two_at_a_time_and_others_stay(module):
    assert module == proofs.__name__
    server = Server()
    old = [server.challenge().challenge for _ in range(5)]
    for one in old:
        server.check(one)
    server.clock.advance(300)
    young = server.challenge().challenge
    server.check(young)
    assert len(server.proofs._used) == 6
    server.clock.advance(300)
    assert server.check(young, 2) == KEYS[0]
    assert list(server.proofs._used) == [*old[2:], young]
    for number in (3, 4):
        server.check(young, number)
    assert list(server.proofs._used) == [young]
    assert why(server.check, young, 4) == USED
    assert server.proofs._used[young][0] == server.clock.now_ns() + 300 * 10**9
