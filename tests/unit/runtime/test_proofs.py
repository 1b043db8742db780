"""The server's side of proofs: what a signature covers, once, for how long, and whose it is."""

import pytest

from holdfast.core import proofs
from holdfast.core.proofs import Signed, key_name, key_of, request_mac
from holdfast.errors import Unauthenticated
from holdfast.runtime.proofs import LIFETIME_NS, Proofs

HERE = "http://127.0.0.1:8787"
ONE, TWO = key_of("hfa_1"), key_of("hfo_2")
BODY = "ab" * 32
KILL = ("POST", "/v1/sessions/ses_1/kill")


class Clock:
    at_ns = 1_000

    def now_ns(self) -> int:
        return self.at_ns


class Server(Proofs):
    """Knows two keys; time is the test's."""

    def __init__(self, secret: bytes = b"s" * 32) -> None:
        self.clock = Clock()
        nonces = iter(f"{n:032x}" for n in range(10_000))
        keys = [ONE.hex(), TWO.hex()]
        super().__init__(lambda: keys, HERE, self.clock, secret, lambda: next(nonces))

    def given(self, key: bytes = ONE) -> str:
        return self.challenge(key_name(key), "n", HERE).challenge


def signed(challenge, number=1, *, key=ONE, signer=None, address=HERE, body=BODY, on=KILL):
    head = Signed(key_name(key), challenge, number, address, body, "0c", "")
    return head._replace(mac=request_mac(key if signer is None else signer, head, *on))


def refused(server, head, on=KILL):
    with pytest.raises(Unauthenticated) as caught:
        server.check(head, *on)
    return caught.value


def test_a_signed_request_passes_once_in_any_order():
    server = Server()
    challenge = server.given()
    for number in (5, 1, 4, 2, 3):
        assert server.check(signed(challenge, number), *KILL) == ONE
    for number in (1, 3, 5):
        assert "sent before" in refused(server, signed(challenge, number)).message


def test_a_number_far_behind_the_highest_counts_as_used_and_one_near_it_does_not():
    server = Server()
    challenge = server.given()
    server.check(signed(challenge, 10_000), *KILL)
    assert server.check(signed(challenge, 10_000 - 4_095), *KILL) == ONE
    assert "sent before" in refused(server, signed(challenge, 10_000 - 4_096)).message
    assert "sent before" in refused(server, signed(challenge, 0)).message


def test_a_number_stays_used_however_many_come_after_it():
    server = Server()
    challenge = server.given()
    for number in range(9_000):
        server.check(signed(challenge, number), *KILL)
    for number in (0, 1, 4_000, 8_000, 8_999):
        refused(server, signed(challenge, number))


@pytest.mark.parametrize(
    "change",
    [
        {"challenge": "0.0"},
        {"number": 2},
        {"address": ""},
        {"body": "cd" * 32},
        {"key": key_name(TWO)},
        {"mac": "00" * 32},
    ],
)
def test_every_field_of_the_head_is_signed(change):
    server = Server()
    head = signed(server.given())
    refused(server, head._replace(**change))
    assert server.check(head, *KILL) == ONE


@pytest.mark.parametrize(
    "on",
    [
        ("PUT", KILL[1]),
        ("POST", "/v1/sessions/ses_1/resume"),
        ("POST", f"{KILL[1]}?x=1"),
        # Fields that are joined are not one text.
        ("POST/v1", "/sessions/ses_1/kill"),
    ],
)
def test_method_path_and_query_are_signed(on):
    server = Server()
    assert "signature" in refused(server, signed(server.given()), on).message


def test_a_challenge_ends_and_asks_for_a_new_one():
    server = Server()
    challenge = server.given()
    server.clock.at_ns += LIFETIME_NS - 1
    assert server.check(signed(challenge, 1), *KILL) == ONE
    server.clock.at_ns += 1
    error = refused(server, signed(challenge, 2))
    assert error.fields["proof"] == "stale"
    assert server.check(signed(server.given(), 1), *KILL) == ONE


def test_a_challenge_is_of_one_key_and_one_server():
    server, other = Server(), Server(secret=b"o" * 32)
    assert refused(server, signed(server.given(TWO))).fields["proof"] == "stale"
    assert refused(server, signed(other.given())).fields["proof"] == "stale"
    made_up = f"{2**62:x}.{'0' * 32}.{'0' * 64}"
    assert refused(server, signed(made_up)).fields["proof"] == "stale"


def test_a_key_that_nobody_has_and_one_that_signs_for_another_are_refused():
    server = Server()
    stranger = key_of("hfa_stranger")
    with pytest.raises(Unauthenticated, match="not one that this server issued"):
        server.challenge(key_name(stranger), "n", HERE)
    refused(server, signed(server.given(), key=stranger))
    refused(server, signed(server.given(), signer=TWO))


def test_what_was_signed_for_another_address_is_refused_and_for_none_is_taken():
    server = Server()
    challenge = server.given()
    assert "another address" in refused(server, signed(challenge, address="http://x:1")).message
    assert server.check(signed(challenge, 2, address=""), *KILL) == ONE
    with pytest.raises(Unauthenticated, match="another address"):
        server.challenge(key_name(ONE), "n", "http://x:1")


@pytest.mark.parametrize("nonce", ["", "n" * 129])
def test_a_nonce_has_a_length(nonce):
    with pytest.raises(Unauthenticated):
        Server().challenge(key_name(ONE), nonce, HERE)


def test_an_address_has_a_length():
    long = HERE + "/" * (512 - len(HERE))
    for address, told in ((long, "at another address"), (long + "/", "not one that this server")):
        with pytest.raises(Unauthenticated, match=told):
            Server().challenge(key_name(ONE), "n", address)


def test_a_server_proves_the_nonce_the_challenge_and_the_address():
    given = Server().challenge(key_name(ONE), "n", HERE)
    assert given.proof == proofs.server_proof(ONE, "n", given.challenge, HERE)
    for other in ((TWO, "n", given.challenge, HERE), (ONE, "m", given.challenge, HERE)):
        assert given.proof != proofs.server_proof(*other)
    assert given.proof != proofs.server_proof(ONE, "n", given.challenge, "")


def test_an_answer_is_of_its_request_status_and_body():
    head = signed("c")
    right = proofs.answer_mac(ONE, head.mac, 200, b"{}")
    for request, status, body in (("0", 200, b"{}"), (head.mac, 403, b"{}"), (head.mac, 200, b"")):
        assert proofs.answer_mac(ONE, request, status, body) != right


def test_a_key_that_was_taken_back_signs_nothing_any_more_and_a_new_one_does():
    keys, nonces = [ONE.hex()], iter("abc")
    server = Proofs(lambda: keys, HERE, Clock(), b"s" * 32, lambda: next(nonces))
    challenge = server.challenge(key_name(ONE), "n", HERE).challenge
    assert server.check(signed(challenge, 1), *KILL) == ONE
    keys[:] = [TWO.hex()]
    assert "not one that this server issued" in refused(server, signed(challenge, 2)).message
    challenge = server.challenge(key_name(TWO), "n", HERE).challenge
    assert server.check(signed(challenge, 1, key=TWO), *KILL) == TWO


def test_what_was_used_under_challenges_that_ended_is_forgotten():
    server = Server()
    for _ in range(20):
        server.check(signed(server.given()), *KILL)
    server.clock.at_ns += LIFETIME_NS
    for _ in range(20):
        server.check(signed(server.given()), *KILL)
    assert len(server._used) == 20
