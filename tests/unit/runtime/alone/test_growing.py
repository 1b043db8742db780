"""Bodies that grow, each boundary of theirs."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

from typing import Any

import pytest

from holdfast.errors import TooLarge
from holdfast.ports.readers import LARGE_BYTES
from holdfast.runtime.growing import Growing, let_go


class Held:
    """Where a large body is put."""

    def __init__(self):
        self.parts: list[bytes] = []
        self.closes = 0

    def append(self, piece):
        self.parts.append(piece)

    def close(self):
        self.closes += 1


def growing(limit_bytes=10**9):
    made: list[Any] = []

    def hold():
        made.append(Held())
        return made[-1]

    return Growing(limit_bytes, hold), made


def test_body_stays_bytes_up_to_what_is_large_and_is_held_whole_from_then_on():
    body, made = growing()
    body.append(b"a" * LARGE_BYTES)
    assert made == []
    body.append(b"b")
    body.append(b"c")
    [held] = made
    assert held.parts == [b"a" * LARGE_BYTES, b"b", b"c"]
    assert body.whole() is held
    # It is the caller's now.
    body.close()
    assert held.closes == 0
    let_go(held)
    assert held.closes == 1
    small, made = growing()
    for piece in (b"a", b"b"):
        small.append(piece)
    assert small.whole() == b"ab"
    let_go(b"ab")
    plain = Growing(10**9)
    plain.append(b"x" * (LARGE_BYTES + 1))
    assert plain.whole() == b"x" * (LARGE_BYTES + 1)


def test_body_is_no_longer_than_its_limit_and_what_is_given_up_is_closed():
    body, _ = growing(3)
    body.append(b"abc")
    with pytest.raises(TooLarge) as refused:
        body.append(b"d")
    assert refused.value.message == "the body is larger than 3 bytes"
    large, made = growing()
    large.append(b"x" * (LARGE_BYTES + 1))
    large.close()
    assert made[0].closes == 1
    body.close()
    assert body.whole() == b""
