"""The clock never runs backwards, whatever is done to the wall's."""

import base64
import secrets

import pytest

from holdfast.backends.system.clock import MovedClock, SystemClock, SystemEntropy

NS = 1_000_000_000


class Wall:
    def __init__(self):
        self.wall, self.steady = 1_000 * NS, 5 * NS

    def clock(self, **more):
        return SystemClock(wall=lambda: self.wall, steady=lambda: self.steady, **more)

    def pass_s(self, seconds):
        self.wall += seconds * NS
        self.steady += seconds * NS


def test_wall_that_jumps_moves_nothing_but_the_report():
    for jump in (-900, -3, 3, 10**6):
        world = Wall()
        clock = world.clock()
        world.pass_s(10)
        world.wall += jump * NS
        assert clock.now_ns() == 1_010 * NS
        assert clock.jumped_ns() == jump * NS


def test_small_drift_is_no_jump():
    world = Wall()
    clock = world.clock()
    world.wall += 2 * NS
    assert clock.jumped_ns() == 0


def test_clock_begins_at_its_floor_and_goes_on_from_there():
    world = Wall()
    clock = world.clock(floor_ns=2_000 * NS)
    assert clock.now_ns() == 2_000 * NS
    clock.not_before(3_000 * NS)
    clock.not_before(10)
    world.pass_s(1)
    assert clock.now_ns() == 3_001 * NS


def test_identifiers_are_well_formed_and_never_the_same():
    entropy = SystemEntropy()
    ids = {entropy.new_id("ses") for _ in range(1_000)}
    assert len(ids) == 1_000
    assert all(len(one) == 30 and one == one.lower() for one in ids)
    assert len(entropy.new_token("hfs")) == 56


def test_an_identifier_spells_its_bits_in_base32(monkeypatch):
    for raw in (bytes(16), b"\xff" * 16, secrets.token_bytes(16)):
        monkeypatch.setattr(secrets, "token_bytes", lambda count, raw=raw: raw[:count])
        spelt = base64.b32encode(raw).decode().rstrip("=").lower()
        assert SystemEntropy().new_id("ses") == f"ses_{spelt}"


def test_a_moved_clock_goes_ahead_by_what_it_is_told_and_never_back():
    clock = MovedClock()
    before = clock.now_ns()
    clock.advance(3_600 * 10**9)
    assert 3_600 * 10**9 <= clock.now_ns() - before < 3_660 * 10**9
    assert clock.ahead_ns() == 3_600 * 10**9
    assert clock.jumped_ns() < -3_590 * 10**9
    clock.advance(0)
    assert clock.ahead_ns() == 3_600 * 10**9
    with pytest.raises(ValueError, match="backwards"):
        clock.advance(-1)
