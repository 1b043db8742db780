"""Prompts of hooks: when one is pending, which request carries it, and what is told."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from holdfast.runtime import prompts
from holdfast.runtime.prompts import Prompts
from tests.unit.runtime.alone.desk import Desk

ABOUT = pytest.mark.parametrize("module", ["holdfast.runtime.prompts"])
TEXT = "pay ann@acme.co"


class Alone:
    """Whether only the client's own processes live; counts who asked."""

    def __init__(self) -> None:
        self.answer = True
        self.asked = 0

    async def alone(self, live):
        self.asked += 1
        return self.answer


def said(role="user", content: Any = TEXT):
    return {"role": role, "content": content}


def text(value: Any = TEXT, kind: Any = "text"):
    return {"type": kind, "text": value}


SYSTEM = said("system", "# here")


@ABOUT
def test_prompt_is_pending_where_no_tool_can_have_sent_it(module):
    assert module == prompts.__name__

    async def main():
        for fields, given, alone, pending, asked in (
            ({"sealed": True}, TEXT, True, TEXT, 1),
            ({"sealed": True}, TEXT, False, "", 1),
            ({"sealed": False}, TEXT, True, "", 0),
            ({"sealed": True, "delegated_by": "ses_0", "depth": 1}, TEXT, True, "", 0),
            ({"sealed": True}, " \n", True, "", 0),
            ({"sealed": True}, "x" * 20_000, True, "x" * 20_000, 1),
            ({"sealed": True}, "x" * 20_001, True, "", 0),
        ):
            desk, fence = Desk(), Alone()
            sealed = {name: value for name, value in fields.items() if name == "sealed"}
            live: Any = await desk.open(**sealed)
            if "delegated_by" in fields:
                live.session = msgspec.structs.replace(live.session, **fields)
            live.pending_prompt = "before"
            fence.answer = alone
            await Prompts(fence, desk.journal).submitted(live, given)
            assert (live.pending_prompt, fence.asked) == (pending, asked), fields

    asyncio.run(main())


@ABOUT
def test_it_vouches_where_the_next_request_of_the_conversation_carries_it_and_is_told(module):
    assert module == prompts.__name__

    async def main():
        many = [text("x")] * 199
        rows: tuple[tuple[Any, bool], ...] = (
            # messages, whether the last of them carries it
            ([said()], True),
            ([said(content="old"), said("assistant", "x"), said()], True),
            ([said(), said("assistant", "x"), said(content="new")], False),
            ([said(), SYSTEM, SYSTEM], True),
            ([SYSTEM], False),
            ([], False),
            (None, False),
            ({"role": "user", "content": TEXT}, False),
            ([said(), "x"], False),
            ([said("assistant")], False),
            ([said(), said("assistant", "x")], False),
            ([said(content=f"{TEXT} now")], False),
            ([said(content=[text("<reminder>"), text()])], True),
            ([said(content=[text(f"{TEXT} now")])], False),
            ([said(content=[text(kind="image")])], False),
            ([said(content=["x", text()])], True),
            ([said(content=[{"type": "tool_result"}, text()])], False),
            ([said(content=[{"type": "text"}])], False),
            ([said(content=7)], False),
            ([said(content=[text(), *many])], True),
            ([said(content=[text(), text("x"), *many])], False),
        )
        for messages, carried in rows:
            for alone in (True, False):
                desk, fence = Desk(), Alone()
                fence.answer = alone
                live: Any = await desk.open(sealed=True)
                live.pending_prompt = TEXT
                seq, made = desk.seq, Prompts(fence, desk.journal)
                request: Any = SimpleNamespace(tool_names=(), fields={"messages": messages})
                # A side call of the client decides nothing.
                await made.confirm(live, request)
                assert (live.pending_prompt, desk.seq, fence.asked) == (TEXT, seq, 0)
                request.tool_names = ("look",)
                await made.confirm(live, request)
                assert live.pending_prompt == ""
                assert fence.asked == int(carried)
                vouched = carried and alone
                told = {"kind": "prompt.confirmed", "body": {"text": TEXT}}
                assert desk.since(seq, live.who) == ([told] if vouched else []), messages
                assert live.vouched.typed("ann@acme.co") is vouched
                await made.confirm(live, request)
                assert fence.asked == int(carried)

    asyncio.run(main())
