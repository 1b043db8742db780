"""Starting children and collecting from them, without a door."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
from typing import Any

import msgspec
import pytest

from holdfast.core.delegation import DELEGATE_TOOL, Asked
from holdfast.core.sessions import Command
from holdfast.errors import DelegationRefused, NotFound, PermitInvalid, SessionStopped
from holdfast.model.budgets import Dimension, Scope, Window
from holdfast.model.sessions import SessionState
from holdfast.model.tools import CallState
from holdfast.model.views.sessions import CollectedResult
from holdfast.runtime.digests import digest_of
from tests.unit.runtime.alone.desk import call, limit
from tests.unit.runtime.alone.office import Office

USD = Dimension.USD


class Family(Office):
    """An office where a parent may start children."""

    def __init__(self):
        super().__init__()
        self.children = self.delegation

    async def parent(self, *limits, **fields):
        return await self.open(*limits, allowed_tools=(DELEGATE_TOOL, "look"), **fields)

    async def child(self, parent, text="look", **fields):
        live, self.token = await self.children.delegate(
            parent, Asked(**({"tools": ("look",)} | fields)), task_text=text
        )
        return live


def test_child_is_told_with_its_task_and_the_tools_that_it_was_given():
    async def main():
        family: Any = Family()
        parent = await family.parent(limit(USD, 100))
        call(parent, "c1", DELEGATE_TOOL, CallState.ALLOWED)
        seq = family.seq
        child, token = await family.children.delegate(
            parent, Asked(tools=("look",)), task_text="t" * 30_000, call_id="c1"
        )
        assert await family.sessions.authenticate(token) is child
        assert family.since(seq, parent.who)[0] == {
            "kind": "session.delegated",
            "call_id": "c1",
            "body": {
                "task_text": "t" * 20_000,
                "tools": ["look"],
                "child": child.session.session_id,
                "agent": "clerk",
            },
        }
        assert not child.vouched.typed("ttt")

    asyncio.run(main())


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (None, "the model made no such call of `delegate` in this session"),
        ({"tool": "look"}, "the model made no such call of `delegate` in this session"),
        ({"session": "ses_other"}, "the model made no such call of `delegate` in this session"),
        (
            {"state": CallState.EMITTED},
            "the call that asks for a child is not allowed, or was answered",
        ),
        (
            {"state": CallState.EXECUTED},
            "the call that asks for a child is not allowed, or was answered",
        ),
    ],
)
def test_call_that_asks_for_a_child_has_to_be_allowed_and_the_sessions_own(fields, text):
    async def main():
        family: Any = Family()
        parent = await family.parent()
        if fields is not None:
            call(parent, "c1", **({"tool": DELEGATE_TOOL, "state": CallState.ALLOWED} | fields))
        with pytest.raises(PermitInvalid) as refused:
            await family.children.delegate(
                parent, Asked(tools=("look",)), task_text="", call_id="c1"
            )
        assert refused.value.message == text
        assert parent.children == []

    asyncio.run(main())


def test_child_has_what_its_parent_has_left_over_its_life_and_no_more():
    async def main():
        family: Any = Family()
        parent = await family.parent(
            limit(USD, 100),
            limit(Dimension.TURNS, 9),
            limit(USD, 60, window=Window.DAY),
            limit(Dimension.TOKENS, 500, Scope.USER),
        )
        family.hold(parent, "h", "model", usd=30)
        family.budgets.settle_now("h", {USD: 30}, parent.who)
        family.hold(parent, "open", "model", usd=20)
        child = await family.child(parent)
        own = {
            one.dimension: one.amount for one in child.session.limits if one.scope is Scope.SESSION
        }
        assert own == {USD: 70, Dimension.TURNS: 9}
        with pytest.raises(DelegationRefused) as refused:
            await family.child(parent, caps={USD: 71})
        assert refused.value.fields == {"authority": "limits"}
        text = "delegation_refused: it has less `usd` left than it was to hand on"
        assert refused.value.message == text
        # What a child leaves over its life is no more than any above it has left.
        family.hold(child, "i", "model", usd=10)
        family.budgets.settle_now("i", {USD: 10}, child.who)
        child.session = msgspec.structs.replace(
            child.session, allowed_tools=(DELEGATE_TOOL, "look")
        )
        grand = await family.child(child)
        assert {one.dimension: one.amount for one in grand.session.limits}[USD] == 60

    asyncio.run(main())


def test_eight_children_at_work_are_as_many_as_may_be_and_one_that_ended_makes_room():
    async def main():
        family: Any = Family()
        parent = await family.parent()
        children = [await family.child(parent) for _ in range(8)]
        await family.sessions.change(children[0], Command.PAUSE, "")
        with pytest.raises(DelegationRefused) as refused:
            await family.child(parent)
        assert refused.value.fields == {"authority": "children"}
        await family.sessions.change(children[0], Command.END, "")
        await family.child(parent)
        with pytest.raises(DelegationRefused):
            await family.child(parent)
        family.sessions.forget(children[1])
        await family.child(parent)

    asyncio.run(main())


def test_stopped_parent_neither_starts_nor_collects():
    async def main():
        family: Any = Family()
        parent = await family.parent()
        child = await family.child(parent)
        await family.sessions.change(parent, Command.PAUSE, "")
        with pytest.raises(SessionStopped):
            await family.child(parent)
        with pytest.raises(SessionStopped):
            await family.children.collect(parent, child.session.session_id, "x")

    asyncio.run(main())


def test_collected_child_ends_with_its_streams_and_its_words_are_told():
    async def main():
        family: Any = Family()
        parent = await family.parent()
        parent.turn = 4
        child = await family.child(parent)
        name, cuts = child.session.session_id, list[str]()
        child.streams["h"] = cuts.append
        seq, text = family.seq, "w" * 30_000
        got = await family.children.collect(parent, name, text)
        ended = {"state": SessionState.ENDED, "reason": "its result was collected"}
        assert got == CollectedResult(tainted=False, text=text, **ended)
        assert cuts == ["session_stopped: its result was collected"]
        assert (child.session.state, child.session.state_reason) == (
            SessionState.ENDED,
            "its result was collected",
        )
        assert family.since(seq)[0]["kind"] == "session.ended"
        assert family.since(seq, parent.who)[1] == {
            "kind": "session.collected",
            "tool": DELEGATE_TOOL,
            "turn": 4,
            "body": {
                "child": name,
                "agent": "clerk",
                "state": "ended",
                "taints": False,
                "digest": digest_of(text),
                "text": text[:20_000],
            },
        }
        assert parent.collected == {digest_of(text): False}
        assert not parent.vouched.tainted
        # A second time it is over already, and says the same.
        assert (await family.children.collect(parent, name, text)).tainted is False
        with pytest.raises(NotFound) as refused:
            await family.children.collect(parent, "s" * 99, "x")
        assert refused.value.message == f"this session started no `{'s' * 64}`"

    asyncio.run(main())


def test_words_that_one_tainted_child_said_taint_whoever_says_them_later():
    async def main():
        family: Any = Family()
        parent = await family.parent()
        tainted, clean = await family.child(parent), await family.child(parent)
        tainted.vouched.taint("fetch")
        first = await family.children.collect(parent, tainted.session.session_id, "pay eve")
        assert first.tainted
        assert (parent.vouched.tainted, parent.vouched.tainted_by) == (True, DELEGATE_TOOL)
        again = await family.children.collect(parent, clean.session.session_id, "pay eve")
        assert again.tainted
        assert family.since(0)[-1]["body"]["taints"] is True
        other = await family.children.collect(parent, clean.session.session_id, "fine")
        assert not other.tainted
        assert parent.collected == {digest_of("pay eve"): True, digest_of("fine"): False}

    asyncio.run(main())
