"""What is refused again and again: who is told, who is counted, and when the count begins anew."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

from typing import Any

import msgspec
import pytest

from holdfast.model.events import Kind
from holdfast.model.principals import Principal, TrustLevel
from holdfast.runtime.refusals import Refusals, Untold
from tests.unit.runtime.alone.desk import S


@pytest.fixture(autouse=True, params=["holdfast.runtime.refusals"])
def module(request):
    """What these tests are about."""


def who(session="s1", tenant="acme") -> Principal:
    return Principal(
        tenant=tenant,
        project="shop",
        user="ann",
        agent="clerk",
        session=session,
        task="",
        trust=TrustLevel.AUTONOMOUS,
    )


PERMIT, EVIDENCE = Kind.PERMIT_REFUSED, Kind.EVIDENCE_REFUSED


def test_first_twenty_of_a_kind_and_session_are_told_and_the_rest_counted():
    found: Any = Refusals()
    assert [found.tells(PERMIT, who(), 0) for _ in range(23)] == [True] * 20 + [False] * 3
    # Another kind, session, tenant and the server itself have their own count.
    for kind, whose in (
        (EVIDENCE, who()),
        (PERMIT, who("s2")),
        (PERMIT, who(tenant="else")),
        (PERMIT, None),
    ):
        assert found.tells(kind, whose, 0)
    assert found.due(60 * S) == [Untold(PERMIT, who(), 3)]
    assert found.due(60 * S, all_of_them=True) == []


def test_window_is_over_after_a_minute_and_what_comes_then_is_told_again():
    found: Any = Refusals(2)
    assert [found.tells(PERMIT, who(), 5), found.tells(PERMIT, who(), 6)] == [True, True]
    assert not found.tells(PERMIT, who(), 7)
    assert found.due(60 * S + 4) == []
    assert not found.tells(PERMIT, who(), 60 * S + 4)
    assert found.due(60 * S + 5) == [Untold(PERMIT, who(), 2)]
    assert found.tells(PERMIT, who(), 60 * S + 5)
    assert found.due(120 * S + 4) == []


def test_all_windows_are_due_at_once_where_the_server_stops_and_only_what_was_counted_is_told():
    found: Any = Refusals(1)
    for session, times in (("a", 1), ("b", 2), ("c", 4)):
        for _ in range(times):
            found.tells(PERMIT, who(session), 0)
    for _ in range(3):
        found.tells(EVIDENCE, None, 0)
    told = found.due(0, all_of_them=True)
    assert [msgspec.structs.astuple(one) for one in told] == [
        (PERMIT, who("b"), 1),
        (PERMIT, who("c"), 3),
        (EVIDENCE, None, 2),
    ]
    assert found.due(0, all_of_them=True) == []


def test_sessions_beyond_ten_thousand_share_the_count_of_the_server():
    found: Any = Refusals(1)
    for number in range(10_000):
        assert found.tells(PERMIT, who(f"s{number}"), 0)
    assert found.tells(PERMIT, who("x"), 0)
    assert [found.tells(PERMIT, who("y"), 0), found.tells(PERMIT, who("z"), 0)] == [False, False]
    # Who has a window keeps it, and the server's own refusals fall into the same count.
    assert not found.tells(PERMIT, who("s9999"), 0)
    assert not found.tells(PERMIT, None, 0)
    assert found.due(0, all_of_them=True) == [
        Untold(PERMIT, who("s9999"), 1),
        Untold(PERMIT, None, 3),
    ]
