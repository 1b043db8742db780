"""Proofs field by field, and a breaker step by step: tables for what is small and must be exact."""

import hashlib
import hmac

import pytest

from holdfast.core.breaker import Breaker, BreakerLimits, BreakerState
from holdfast.core.proofs import (
    Signed,
    answer_mac,
    header_of,
    key_name,
    key_of,
    read_header,
    request_mac,
    same,
    seal_of,
    server_proof,
)
from holdfast.core.rates import Bucket, Draw, Meters, Rates, longest_wait_ns

KEY = key_of("token")


def mac(*fields):
    joined = b"holdfast proof 1\0"
    for field in fields:
        joined += len(field.encode()).to_bytes(8, "big") + field.encode()
    return hmac.new(KEY, joined, hashlib.sha256).hexdigest()


def test_each_proof_is_the_mac_of_its_purpose_and_fields_with_their_lengths():
    signed = Signed("k", "chal", 7, "addr", "b0", "0c", "m")
    assert hashlib.sha256(b"token").digest() == KEY
    assert key_name(KEY) == mac("key name")[:32]
    assert server_proof(KEY, "n", "c", "a") == mac("server", "n", "c", "a")
    assert request_mac(KEY, signed, "GET", "/x?y") == mac(
        "request", "chal", "7", "addr", "GET", "/x?y", "b0", "0c"
    )
    body = hashlib.sha256(b"body").hexdigest()
    assert answer_mac(KEY, "req", 200, b"body") == mac("answer", "req", "200", body)
    assert seal_of(KEY, "url", 12, "dir") == mac("announcement", "url", "12", "dir")
    assert server_proof(KEY, "ab", "c", "") != server_proof(KEY, "a", "bc", "")
    assert key_of("\ud800") == hashlib.sha256("\ud800".encode("utf-8", "surrogatepass")).digest()


GOOD = Signed("0a", "chal", 12, "http://x", "bb", "0d", "cc")
HEADER = "Holdfast key=0a,challenge=chal,number=12,address=http://x,body=bb,once=0d,mac=cc"


def test_a_header_comes_back_as_it_was_written():
    assert header_of(GOOD) == HEADER
    assert read_header(HEADER) == read_header(HEADER.replace("Holdfast", "hOLDFAST")) == GOOD
    spaced = HEADER.replace(",", ", ")
    assert read_header(spaced) == GOOD


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Holdfast", "Bearer"),
        (",mac=cc", ""),
        ("mac=cc", "mac=cc,more=1"),
        ("mac=cc", "mac=dd,mac=cc"),
        ("mac=cc", "max=cc"),
        ("key=0a", "key="),
        ("key=0a", "key=0g"),
        ("key=0a", "key=0A"),
        ("body=bb", "body=xx"),
        ("mac=cc", "mac="),
        ("number=12", "number="),
        ("number=12", "number=-1"),
        ("number=12", "number=1.0"),
        ("number=12", "number=\u0661"),
        ("number=12", "number=" + "1" * 17),
        ("address=http://x", "address=" + "x" * 2_048),
    ],
)
def test_a_header_that_is_not_whole_is_none(old, new):
    assert read_header(HEADER.replace(old, new)) is None


def test_a_header_may_be_as_long_as_the_most_and_a_number_as_large():
    room = 2_048 - len(HEADER)
    assert read_header(HEADER.replace("http://x", "http://x" + "y" * room)) is not None
    assert read_header(HEADER.replace("http://x", "http://x" + "y" * (room + 1))) is None
    read = read_header(HEADER.replace("=12", "=" + "9" * 16))
    assert read is not None
    assert read.number == 9_999_999_999_999_999


def test_two_macs_are_one_only_letter_for_letter():
    assert same("ab", "ab")
    assert not same("ab", "aB")
    assert not same("", "a")
    assert same("\ud800", "?")


# ---- the breaker -----------------------------------------------------------------------------


def opened(failures=2, reset_ns=100, at=10):
    breaker = Breaker(BreakerLimits(failures=failures, reset_ns=reset_ns))
    for _ in range(failures):
        ticket = breaker.admit(at)
        assert ticket is not None
        breaker.failed(ticket, at)
    assert breaker.state is BreakerState.OPEN
    return breaker


def test_a_breaker_begins_closed_and_opens_at_the_last_of_its_failures():
    breaker = Breaker(BreakerLimits(failures=2, reset_ns=100))
    assert (breaker.state, breaker.failures, breaker.wait_ns(0)) == (BreakerState.CLOSED, 0, 0)
    ticket = breaker.admit(0)
    assert ticket == 0
    assert breaker.failed(ticket, 5) is False
    assert (breaker.state, breaker.failures) == (BreakerState.CLOSED, 1)
    assert breaker.failed(ticket, 6) is True
    assert (breaker.state, breaker.failures) == (BreakerState.OPEN, 2)
    assert breaker.failed(ticket, 7) is False
    assert BreakerLimits() == BreakerLimits(failures=5, reset_ns=60_000_000_000)


@pytest.mark.parametrize(("now", "waits"), [(10, 100), (50, 60), (109, 1), (110, 0), (200, 0)])
def test_an_open_breaker_lets_one_try_once_its_time_is_over(now, waits):
    breaker = opened()
    assert breaker.wait_ns(now) == waits
    assert breaker.admits(now) is (waits == 0)
    ticket = breaker.admit(now)
    if waits:
        assert ticket is None
        assert breaker.state is BreakerState.OPEN
        return
    assert breaker.state is BreakerState.HALF_OPEN
    assert (breaker.admits(now), breaker.admit(now), breaker.wait_ns(now)) == (False, None, 0)


def trying(breaker):
    ticket = breaker.admit(110)
    assert ticket == 2
    return ticket


def test_the_call_that_tries_closes_it_when_it_is_answered():
    for report in ("answered", "completed"):
        breaker = opened()
        ticket = trying(breaker)
        assert getattr(breaker, report)(ticket) is True
        assert (breaker.state, breaker.failures) == (BreakerState.CLOSED, 0)
        assert getattr(breaker, report)(ticket) is False


def test_the_call_that_tries_opens_it_at_once_when_it_fails_and_its_time_begins_anew():
    breaker = opened()
    assert breaker.failed(trying(breaker), 120) is True
    assert (breaker.state, breaker.failures, breaker.wait_ns(120)) == (BreakerState.OPEN, 3, 100)


def test_a_call_that_left_lets_the_next_one_try():
    breaker = opened()
    ticket = trying(breaker)
    seen = []
    for one in (ticket - 1, ticket):
        breaker.forgotten(one)
        seen.append(breaker.state)
    assert seen == [BreakerState.HALF_OPEN, BreakerState.OPEN]
    assert breaker.admit(110) == 4


def test_reports_from_before_the_last_change_change_nothing():
    breaker = opened()
    ticket = trying(breaker)
    for stale in (0, 1):
        assert breaker.answered(stale) is False
        assert breaker.failed(stale, 111) is False
    assert breaker.state is BreakerState.HALF_OPEN
    breaker.answered(ticket)
    assert breaker.failed(ticket, 112) is False
    assert breaker.failures == 0


def test_a_whole_answer_makes_failures_forgotten_and_one_that_only_began_does_not():
    breaker = Breaker(BreakerLimits(failures=2, reset_ns=100))
    breaker.failed(0, 1)
    assert breaker.answered(0) is False
    assert breaker.failures == 1
    assert breaker.completed(0) is False
    assert breaker.failures == 0
    late = opened()
    assert late.completed(0) is False
    assert late.failures == 2


# ---- rates -----------------------------------------------------------------------------------

MINUTE = 60_000_000_000


@pytest.mark.parametrize(
    ("pieces", "after", "waits"),
    [(60, 0, 0), (61, 0, 0), (0, 0, 0), (-1, 0, 0)],
)
def test_a_full_bucket_lets_all_of_it_be_drawn_at_once(pieces, after, waits):
    assert Bucket(60, 0).wait_ns(pieces, after) == waits


@pytest.mark.parametrize(
    ("pieces", "now", "waits"),
    [(1, 0, MINUTE // 60), (2, 0, MINUTE // 30), (60, 0, MINUTE), (99, 0, MINUTE), (0, 0, 0),
     (1, MINUTE // 60 - 1, 1), (1, MINUTE // 60, 0), (2, MINUTE // 60, MINUTE // 60),
     (60, MINUTE - 1, 1), (60, MINUTE, 0), (60, 9 * MINUTE, 0)],
)  # fmt: skip
def test_an_empty_bucket_refills_evenly_up_to_the_most(pieces, now, waits):
    bucket = Bucket(60, 0)
    bucket.draw(60, 0)
    assert bucket.wait_ns(pieces, now) == waits


def test_debt_is_paid_first_and_what_is_given_back_never_overflows():
    bucket = Bucket(60, 0)
    bucket.draw(120, 0)
    assert bucket.wait_ns(1, 0) == MINUTE + MINUTE // 60
    bucket.draw(-60, 0)
    assert bucket.wait_ns(1, 0) == MINUTE // 60
    bucket.draw(-999, 0)
    bucket.draw(60, 0)
    assert bucket.wait_ns(1, 0) == MINUTE // 60
    assert bucket.wait_ns(1, -MINUTE) == MINUTE // 60


def test_a_bucket_of_another_time_refills_in_that_and_waits_round_up():
    bucket = Bucket(3, 0, every_ns=10)
    bucket.draw(3, 0)
    assert [bucket.wait_ns(pieces, 0) for pieces in (1, 2, 3)] == [4, 7, 10]


def test_meters_draw_from_every_bucket_that_has_a_rate_and_wait_for_the_slowest():
    meters = Meters(Rates(requests=60, output_tokens=6), 0)
    draw = Draw(requests=60, input_tokens=10**9, output_tokens=6)
    assert meters.wait_ns(draw, 0) == 0
    meters.draw(draw, 0)
    assert meters.wait_ns(Draw(1, 1, 0), 0) == MINUTE // 60
    assert meters.wait_ns(Draw(1, 1, 1), 0) == MINUTE // 6
    assert meters.wait_ns(Draw(0, 1, 0), 0) == 0
    free = Meters(Rates(), 0)
    assert free.wait_ns(draw, 0) == 0
    assert longest_wait_ns([free, meters], Draw(1, 0, 1), 0) == MINUTE // 6
    assert longest_wait_ns([], draw, 0) == 0
