"""The curve of what a session cost."""

import re

from hypothesis import given
from hypothesis import strategies as st

from holdfast.apps.console.sessions.curve import HEIGHT, WIDTH, curve
from holdfast.model.events import Kind, Record

COSTS = st.lists(st.tuples(st.integers(0, 10**12), st.integers(0, 10**15)), min_size=2, max_size=40)


def settled(pairs):
    at = 0
    found = []
    for cost, gap in pairs:
        at += gap
        found.append(Record(kind=Kind.MODEL_CALL_SETTLED, at_ns=at, cost_nusd=cost))
    return found


def points(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"([\d.]+),([\d.]+)", path)]


@given(COSTS, st.integers(0, 10**13), st.none() | st.integers(0, 10**14), st.booleans())
def test_the_line_only_rises_and_stays_in_its_frame(pairs, more, cap, whole):
    calls = settled(pairs)
    spent = sum(cost for cost, _ in pairs)
    made = curve(calls, spent + more, cap, whole=whole)
    assert made is not None
    assert made.total_nusd == spent + (0 if whole else more)
    drawn = points(made.line)
    assert [y for _, y in drawn] == sorted((y for _, y in drawn), reverse=True)
    assert [x for x, _ in drawn] == sorted(x for x, _ in drawn)
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in drawn)
    assert made.cap_y is None or 0 <= made.cap_y <= HEIGHT


def test_a_cap_far_above_is_not_drawn_and_one_call_is_no_line():
    calls = settled([(10, 1), (10, 1)])
    near, far = (curve(calls, 20, cap, whole=True) for cap in (40, 41))
    assert near is not None
    assert near.cap_y is not None
    assert far is not None
    assert far.cap_y is None
    assert curve(calls[:1], 10, 40, whole=True) is None
