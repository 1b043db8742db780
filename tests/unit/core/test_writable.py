"""Whatever a tool returns can be written, in bounds, and says what of it was replaced."""

import dataclasses
import datetime as dt
import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.canonical import Unreadable, parse_json
from holdfast.core.writable import fault_of, text_of, written


class Hostile:
    def __str__(self):
        raise RuntimeError("no")

    __repr__ = __str__

    def __getattr__(self, name):
        raise ZeroDivisionError


class HostileError(Exception):
    def __str__(self):
        raise ValueError("\udcff")


@dataclasses.dataclass
class Order:
    name: str
    at: dt.date


CYCLE: list[Any] = [1]
CYCLE.append(CYCLE)
LOOP: dict[str, Any] = {}
LOOP["self"] = {"again": LOOP}
DEEP: list[Any] = []
for _ in range(5_000):
    DEEP = [DEEP]

ODD = [
    ("\udcff.txt", "text that is no utf-8"),
    ({"name\ud800": 1}, "text that is no utf-8"),
    ({(1, 2): "a", "b": 2}, "keys that are no text"),
    ({1: "a", "1": "b"}, "keys that are no text"),
    ({Hostile(): 1}, "keys that are no text"),
    (math.nan, "numbers that json has no word for"),
    ([math.inf, -math.inf], "numbers that json has no word for"),
    (10**5_000, "numbers beyond 64 bits"),
    (b"\xff\x00abc", "bytes"),
    (bytearray(b"x"), "bytes"),
    (CYCLE, "nesting that is too deep, or without end"),
    (LOOP, "nesting that is too deep, or without end"),
    (DEEP, "nesting that is too deep, or without end"),
    (Hostile(), "values that are no json"),
    (object, "values that are no json"),
    ([{"x": Hostile()}], "values that are no json"),
    ("x" * 5_000_000, "what exceeds 4194304 bytes"),
    (["y" * 1_000] * 100_000, "what exceeds 4194304 bytes"),
    (list(range(3_000_000)), "what exceeds 150000 values"),
    (b"z" * 100_000_000, "what exceeds 4194304 bytes"),
]


@pytest.mark.parametrize(("value", "why"), ODD, ids=range(len(ODD)))
def test_what_has_no_place_in_json_is_replaced_in_bounds_and_named(value, why):
    shown = written(value)
    assert why in shown.replaced
    raw = msgspec.json.encode(shown.value)
    assert len(raw) < 33_554_432
    assert not isinstance(parse_json(raw), Unreadable)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ({"a": [1, 2.5, None, True, "ü"]}, {"a": [1, 2.5, None, True, "ü"]}),
        ((1, 2), [1, 2]),
        ({3}, [3]),
        (Order("x", dt.date(2026, 1, 2)), {"name": "x", "at": "2026-01-02"}),
        (-(2**63), -(2**63)),
        (2**64 - 1, 2**64 - 1),
        ("\U0001f600 \x00 \u2028", "\U0001f600 \x00 \u2028"),
    ],
)
def test_what_json_has_stays_as_it_is(value, plain):
    shown = written(value)
    assert shown.value == plain
    assert shown.replaced == ()


def test_no_key_is_lost_that_reads_like_another():
    assert sorted(written({1: "a", "1": "b", (1,): "c"}).value.values()) == ["a", "b", "c"]


def test_the_same_value_in_two_places_is_no_cycle():
    one = {"a": 1}
    assert written([one, one, {"b": one}]).replaced == ()


def values(one):
    inner = one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
    return 1 + sum(map(values, inner))


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.binary()
        | st.text(st.characters(exclude_categories=())),
        lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    ),
    st.integers(50, 5_000),
)
def test_anything_can_be_written_within_its_bound(value, most):
    shown = written(value, most_bytes=most)
    raw = msgspec.json.encode(shown.value)
    # A byte takes up to six, and what was begun is finished.
    assert len(raw) <= 8 * most + 12 * values(shown.value) + 2_000
    assert json.loads(raw) == shown.value


def test_words_of_an_error_can_be_written_whatever_it_does():
    assert fault_of(ValueError("bad \udcff")) == "ValueError: bad \\udcff"
    assert "HostileError" in fault_of(HostileError())
    assert len(fault_of(ValueError("x" * 10**7))) == 2_000
    assert text_of(Hostile()).startswith("a Hostile that cannot be shown")
