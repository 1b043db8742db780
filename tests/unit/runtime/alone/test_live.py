"""A session in memory: what it is when it begins, who stands above it, and what calls leave."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
from typing import Any

import msgspec
import pytest

from holdfast.core.place import Place
from holdfast.model.sessions import SessionState
from holdfast.runtime.doors import Asker
from holdfast.runtime.live import LiveSession, Writing
from tests.sparse import fields
from tests.unit.runtime.alone.desk import draft


@pytest.fixture(autouse=True, params=["holdfast.runtime.live"])
def module(request):
    """What these tests are about."""


def live(session_id="ses_1", parent=None, **fields) -> Any:
    session = msgspec.structs.replace(draft(**fields), session_id=session_id)
    made: Any = LiveSession(session, ())
    made.parent = parent
    return made


def test_session_begins_with_nothing_known():
    one = live()
    held = fields(one)
    assert {name: value for name, value in held.items() if not value} == {
        name: value
        for value, names in (
            ((), ("chain",)),
            ("", ("pending_prompt",)),
            (0, ("mixed", "worked", "cost_nusd", "turn")),
            (False, ("stale", "adopted", "hooked", "told_outdated")),
            (None, ("parent", "first_processes", "refused")),
        )
        for name in names
    } | {
        name: kind()
        for kind, names in (
            (
                dict,
                (
                    "calls emitted running answers effects approvals writing grows streams paying unconfirmed"
                    " threads collected"
                ),
            ),
            (list, "children"),
            (
                set,
                (
                    "made serves neutral mixing working fetched found_calls told_faults deciding"
                    " counted limited lifting"
                ),
            ),
        )
        for name in names.split()
    }
    assert {name for name, value in held.items() if value} == {
        "session",
        "progress",
        "vouched",
        "residue",
        "context",
    }
    assert not one.vouched.tainted
    assert msgspec.structs.astuple(Writing()) == ((), frozenset(), None, frozenset(), False, 0)


def test_session_is_known_by_whom_it_acts_for():
    one = live(user="bob", tenant="t")
    assert one.who is one.session.principal
    assert one.asker == Asker("ses_1", "t/bob")


def test_line_leads_from_a_session_to_the_first_and_the_first_that_is_not_active_counts():
    top = live("ses_top")
    middle = live("ses_mid", top)
    inner = live("ses_in", middle)
    assert list(inner.line) == [inner, middle, top]
    assert list(top.line) == [top]
    active, paused, killed = SessionState.ACTIVE, SessionState.PAUSED, SessionState.KILLED
    for states, standing in (
        ((active, active, active), active),
        ((active, paused, killed), paused),
        ((active, active, killed), killed),
        ((paused, killed, active), paused),
    ):
        for one, state in zip((inner, middle, top), states, strict=True):
            one.session = msgspec.structs.replace(one.session, state=state)
        assert inner.standing is standing


def test_files_that_a_call_wrote_are_known_by_their_place_and_staleness_goes_up_the_line():
    top = live("ses_top", folder="/w")
    inner = live("ses_in", top, folder="/w", sandboxed=True)
    inner.serves.add("8080")
    inner.wrote(["a.py", "/x/b.py"], stale=False)
    assert inner.place == Place(
        folder="/w", sandboxed=True, stale=False, made={"/w/a.py", "/x/b.py"}, serves={"8080"}
    )
    assert (top.stale, inner.stale, top.made) == (False, False, set())
    inner.wrote([], stale=True)
    assert (top.stale, inner.stale) == (True, True)
    # What is stale above is stale below.
    inner.stale = False
    assert inner.place.stale
    top.stale = False
    assert not inner.place.stale


def test_calls_at_work_are_counted_by_whether_others_may_have_written():
    one = live()
    one.begins("c1", neutral=True)
    one.begins("c2", neutral=False)
    one.begins("c3", neutral=False)
    assert (one.working, one.worked, one.mixing, one.mixed) == ({"c1"}, 1, {"c2", "c3"}, 2)
    one.writing["c2"] = Writing(named=("/w/a",))
    assert one.reported("c2") == Writing(named=("/w/a",))
    assert one.reported("c2") is None
    assert one.reported("c1") is None
    assert one.reported("never") is None
    assert (one.working, one.worked, one.mixing, one.mixed) == (set(), 1, {"c3"}, 2)
    assert one.writing == {}


def test_cut_ends_every_answer_even_where_one_takes_itself_out():
    one = live()
    told: list[Any] = []

    def first(reason):
        told.append(("a", reason))
        one.streams.clear()

    one.streams = {"a": first, "b": lambda reason: told.append(("b", reason))}
    assert one.cut_streams("stop") == 2
    assert told == [("a", "stop"), ("b", "stop")]
    assert one.cut_streams("stop") == 0


def test_sessions_in_memory_share_nothing():
    async def main():
        one, other = live(), live()
        one.calls["c"] = 1
        one.made.add("x")
        assert (other.calls, other.made) == ({}, set())

    asyncio.run(main())
