"""Sessions before a session: how they are found, what of them counts, and where it ends."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
from typing import Any

import msgspec
import pytest

from holdfast.model.events import Kind
from holdfast.model.sessions import SessionState
from holdfast.runtime import earlier, lineage
from holdfast.runtime.earlier import Earlier
from holdfast.runtime.lineage import found_by, line_of
from tests.unit.runtime.alone.desk import Desk, call, draft

ABOUT = pytest.mark.parametrize("module", ["holdfast.runtime.earlier"])
LINE = pytest.mark.parametrize("module", ["holdfast.runtime.lineage"])


class Past(Desk):
    """A desk with earlier sessions of which each made the calls that are named."""

    def __init__(self) -> None:
        super().__init__()
        self.earlier = Earlier(self.sessions, self.store, self.journal)

    async def made(self, *call_ids, **fields):
        live = await self.open(**fields)
        for one in call_ids:
            call(live, one)
            record = self.journal.record_as_told(Kind.TOOL_USE_EMITTED, live.who, {}, call_id=one)
            await self.journal.commit([record])
        return live


@ABOUT
def test_sessions_are_found_by_the_calls_of_the_same_tenant_user_and_agent(module):
    assert module == earlier.__name__

    async def main():
        past: Any = Past()
        first, second = await past.made("a", "b"), await past.made("c")
        for other in ({"user": "bob"}, {"agent": "chief"}, {"tenant": "zeta"}):
            await past.made("d", **other)
        live = await past.made("e")
        found = await past.earlier.look_up(live, ["e"])
        assert (found.sessions, found.missing, found.held) == ((), "", ("", ""))
        found = await past.earlier.look_up(live, ["e", "b", "c", "a"])
        assert [(one.session.session_id, by) for one, by in found.sessions] == [
            (first.session.session_id, "b"),
            (second.session.session_id, "c"),
        ]
        assert (found.missing, found.held) == ("", ("", ""))
        assert dict(found.calls) == {**live.calls, **first.calls, **second.calls}
        found = await past.earlier.look_up(live, ["a", "d", "x", "c"])
        assert (len(found.sessions), found.missing) == (1, "d")
        # Nothing of it counts by having been looked up.
        assert list(live.calls) == ["e"]
        # One whose calls are gone is no end of looking, and no more.
        del second.calls["c"]
        found = await past.earlier.look_up(live, ["c"])
        assert ([by for _, by in found.sessions], found.missing) == (["c"], "c")
        # One that a person stopped goes on by no way.
        first.session = msgspec.structs.replace(first.session, state=SessionState.PAUSED)
        found = await past.earlier.look_up(live, ["a"])
        assert found.held == (first.session.session_id, "a")
        assert (found.sessions, found.missing) == ((), "")

    asyncio.run(main())


@ABOUT
def test_transcript_goes_through_sixteen_sessions_at_most(module):
    assert module == earlier.__name__

    async def main():
        past: Any = Past()
        names = [f"c{number}" for number in range(17)]
        for one in names:
            await past.made(one)
        live = await past.made()
        found = await past.earlier.look_up(live, names[:16])
        assert (len(found.sessions), found.missing) == (16, "")
        found = await past.earlier.look_up(live, names)
        assert (len(found.sessions), found.missing) == (16, "c16")

    asyncio.run(main())


@ABOUT
def test_calls_taint_and_threads_of_what_was_found_count_and_are_told_once(module):
    assert module == earlier.__name__

    async def main():
        past: Any = Past()
        clean, dirty = await past.made("a"), await past.made("b" * 201)
        dirty.vouched.taint("fetch")
        dirty.threads = {"m1": 1, "m2": 2}
        live = await past.made("a9")
        live.threads = {"m1": 7}
        seq = past.seq
        found = await past.earlier.look_up(live, ["a", "b" * 201])
        await past.earlier.take_in(live, found)
        assert live.calls.keys() == {"a9", "a", "b" * 201}
        assert live.calls["a"] is clean.calls["a"]
        assert live.found_calls == {"a", "b" * 201}
        assert live.threads == {"m1": 7, "m2": 2}
        assert (live.vouched.tainted, live.vouched.tainted_by) == (True, "fetch")
        names = [one.session.session_id for one in (clean, dirty)]
        assert live.session.found == tuple(names)
        assert await past.store.session(live.session.session_id) == live.session
        told = [
            {"kind": "session.continued", "call_id": "a", "body": {"session": names[0]}},
            {
                "kind": "session.continued",
                "call_id": "b" * 200,
                "tool": "fetch",
                "body": {"session": names[1], "taints": True},
            },
        ]
        assert past.since(seq, live.who) == told
        # Known by now: what came of it meanwhile counts, and nothing is told again.
        call(dirty, "late")
        await past.earlier.take_in(live, found)
        assert "late" in live.found_calls
        assert past.since(seq, live.who) == told
        own = type(found)(found.calls, ((live, "a9"),))
        await past.earlier.take_in(live, own)
        assert past.since(seq, live.who) == told
        assert live.session.found == tuple(names)

    asyncio.run(main())


class Shelf:
    """Sessions by name, as a store has them."""

    def __init__(self, *sessions) -> None:
        self.kept = {one.session_id: one for one in sessions}

    async def session(self, name):
        return self.kept.get(name)


def named(name, parent="", found=()):
    return draft(session_id=name, parent=parent, found=tuple(found))


@LINE
def test_line_is_told_oldest_first_to_its_end_and_goes_round_no_circle(module):
    assert module == lineage.__name__

    async def names(store, name):
        return [one.session_id for one in await line_of(store, store.kept[name])]

    async def main():
        store: Any = Shelf(
            named("a"), named("b", "a"), named("c", "b"), named("d", "gone"),
            named("x", "y"), named("y", "x"), named("z", "z"),
        )  # fmt: skip
        told = {name: await names(store, name) for name in store.kept}
        assert told == {
            "a": ["a"],
            "b": ["a", "b"],
            "c": ["a", "b", "c"],
            "d": ["d"],
            "x": ["y", "x"],
            "y": ["x", "y"],
            "z": ["z"],
        }

    asyncio.run(main())


@LINE
def test_found_are_those_in_the_transcript_and_those_before_them_each_once(module):
    assert module == lineage.__name__

    async def main():
        store: Any = Shelf(
            named("a"), named("b", "a"), named("c", found=("b", "a")), named("d", "c", ("gone",)),
            named("e", found=("c", "d", "e")), named("x", found=("y",)), named("y", "x", ("x",)),
        )  # fmt: skip
        told = {name: await found_by(store, one) for name, one in store.kept.items()}
        assert told == {
            "a": [],
            "b": [],
            "c": ["a", "b"],
            "d": [],
            "e": ["d", "c", "a", "b"],
            "x": ["y"],
            "y": ["x"],
        }

    asyncio.run(main())
