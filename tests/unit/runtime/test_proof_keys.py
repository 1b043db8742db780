"""Whose signature it is costs one look, however many operators there are, and follows their list."""

import msgspec
import pytest

from holdfast.client.exchange import Asked
from holdfast.client.signing import Signer
from holdfast.core import proofs
from holdfast.errors import Unauthenticated
from holdfast.runtime.proofs import Proofs
from holdfast.testing.clock import FakeClock


def signer_at(known: Proofs, token: str) -> Signer:
    """Somebody to whom the server has proved itself."""
    signer = Signer(token)
    asked = signer.ask("")
    given = known.challenge(asked["key"], asked["nonce"], asked["address"])
    assert signer.accept("http://here", asked, msgspec.json.encode(given))
    return signer


def proofs_of(keys: list[str]) -> Proofs:
    numbers = iter(range(1000))
    return Proofs(lambda: keys, "http://here", FakeClock(), b"s", lambda: f"{next(numbers)}")


def test_names_are_made_when_the_list_changes_and_not_for_each_request(monkeypatch):
    keys = [proofs.key_of(f"hfo_{n}").hex() for n in range(300)]
    made: list[bytes] = []
    name = proofs.key_name

    def counted(key):
        made.append(key)
        return name(key)

    known = proofs_of(keys)
    signer = signer_at(known, "hfo_7")
    monkeypatch.setattr(proofs, "key_name", counted)
    for _ in range(20):
        signed = signer.sign(Asked("GET", "/v1/x", None))
        assert known.check(signed, "GET", "/v1/x") == proofs.key_of("hfo_7")
        with pytest.raises(Unauthenticated):
            known.challenge("0" * 32, "n", "")
    assert len(made) == 20, "the client's own, one a request"


def test_an_operator_that_is_taken_off_the_list_signs_nothing_more_and_a_new_one_does():
    keys = [proofs.key_of("hfo_1").hex()]
    known = proofs_of(keys)
    signer = signer_at(known, "hfo_1")
    known.check(signer.sign(Asked("GET", "/a", None)), "GET", "/a")
    keys[:] = [proofs.key_of("hfo_2").hex()]
    with pytest.raises(Unauthenticated):
        known.check(signer.sign(Asked("GET", "/a", None)), "GET", "/a")
    assert known.check(signer_at(known, "hfo_2").sign(Asked("GET", "/a", None)), "GET", "/a")
