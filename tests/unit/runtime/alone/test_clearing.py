"""What may leave for a provider: a request that stayed in a relay, a count, and a kill meanwhile."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
from typing import Any

import msgspec
import pytest

from holdfast.core.contracts import ContractBook
from holdfast.core.edits import Edits
from holdfast.core.large import compact, sliced
from holdfast.core.messages import read_count, read_request
from holdfast.core.sessions import Command
from holdfast.core.wire.admitted import NOTHING
from holdfast.errors import Denied, Exhausted, SessionStopped
from holdfast.model.budgets import Dimension
from holdfast.model.tools import CallRecord, CallState, Effect, Idempotency
from holdfast.runtime.clearing import Clearance, ClientRequest
from tests.unit.runtime.alone.desk import limit
from tests.unit.runtime.alone.gatehouse import Gatehouse, contract

D = Dimension
FETCH = {"type": "web_fetch_20250910", "name": "web_fetch"}
OWN = {"name": "look", "input_schema": {"type": "object"}}
FIELDS: dict[str, Any] = {
    "model": "claude-haiku-4-5",
    "messages": [{"role": "user", "content": "hello"}],
}


@pytest.fixture(autouse=True, params=["holdfast.runtime.clearing"])
def about(request):
    """What these tests are about."""


class Desk(Gatehouse):
    """A gatehouse that clears requests, and takes tools out where that is asked for."""

    def __init__(self) -> None:
        fetch = contract("web_fetch", Effect.EGRESS, idempotency=Idempotency.PURE)
        super().__init__(decided={"contracts": ContractBook((fetch,)), "removes_tainted": True})
        self.clearing: Any = self.calls.clearing
        self.reader = self.calls.reader

    async def begin(self, *limits, tainted=True):
        self.live = await self.open(*limits, allowed_tools=("web_fetch", "look"))
        if tainted:
            self.live.vouched.taint("look")
        return self.live


def body(**more) -> bytes:
    return msgspec.json.encode(FIELDS | more)


def given(body) -> ClientRequest:
    return ClientRequest("/p", {}, body)


def a_call(live, state, denial=""):
    return CallRecord(
        session=live.session.session_id,
        call_id="c",
        tool="look",
        digest="",
        state=state,
        turn=1,
        denial=denial,
    )


def read_in_a_relay(whole, read) -> Any:
    found: Any = read(whole, NOTHING)
    assert not hasattr(found, "text"), found
    return sliced(compact(found))


def test_clearance_is_made_by_admission_alone():
    with pytest.raises(TypeError, match="a clearance is made by admission alone"):
        Clearance()


def test_tools_are_taken_out_of_what_is_here_and_refused_in_what_stayed_in_a_relay():
    async def main():
        desk: Any = Desk()
        live = await desk.begin()
        for way, read, more in (
            (desk.clearing.call, read_request, {"max_tokens": 9}),
            (desk.clearing.count, read_count, {}),
        ):
            whole = body(tools=[OWN, FETCH], **more)
            here = await way(live, given(whole))
            assert [one.steps for one in here.removed] == [("tools", 1)]
            assert [tool["name"] for tool in here.request.fields["tools"]] == ["look"]
            assert not here.elsewhere
            with pytest.raises(Denied) as refused:
                await way(live, given(read_in_a_relay(whole, read)))
            assert refused.value.fields["tool"] == "web_fetch"
            plain = await way(live, given(read_in_a_relay(body(tools=[OWN], **more), read)))
            assert (plain.elsewhere, plain.removed) == (True, ())
            with pytest.raises(TypeError, match="stayed in a relay"):
                await plain.call(Edits()).__aenter__()

    asyncio.run(main())


def test_count_is_refused_by_what_is_spent_and_not_by_what_is_held():
    async def main():
        for spent, goes in ((99, True), (100, False)):
            desk: Any = Desk()
            live = await desk.begin(limit(D.USD, 100), tainted=False)
            desk.hold(live, "h", "model", usd=100)
            await desk.clearing.count(live, given(body()))
            desk.budgets.settle_now("h", {D.USD: spent}, live.who)
            if goes:
                await desk.clearing.count(live, given(body()))
                continue
            with pytest.raises(Exhausted):
                await desk.clearing.count(live, given(body()))
        # A model draws on no tool calls, and may say what they returned until it asks for more.
        desk = Desk()
        live = await desk.begin(limit(D.TOOL_CALLS, 1), tainted=False)
        desk.hold(live, "h", "tool", tool_calls=1)
        desk.budgets.settle_now("h", {D.TOOL_CALLS: 1}, live.who)
        await desk.clearing.count(live, given(body()))
        live.calls["c"] = a_call(live, CallState.DENIED, "budget_exceeded: none is left")
        with pytest.raises(Exhausted, match="session tool_calls"):
            await desk.clearing.count(live, given(body()))

    asyncio.run(main())


@pytest.mark.parametrize("way", ["call", "count"])
def test_session_that_is_killed_while_its_request_is_read_gets_no_clearance(way):
    async def main():
        desk: Any = Desk()
        live = await desk.begin(tainted=False)
        looked: list[Any] = []
        reading = desk.clearing._read

        async def killed(*given):
            found = await reading(*given)
            await desk.sessions.change(live, Command.STOP, "enough")
            return found

        def look(*given):
            looked.append(given)
            raise AssertionError

        desk.clearing._read, desk.clearing._judged = killed, look
        with pytest.raises(SessionStopped):
            await getattr(desk.clearing, way)(live, given(body(max_tokens=9)))
        assert looked == []
        with pytest.raises(SessionStopped):
            await getattr(desk.clearing, way)(live, given(body(max_tokens=9)))

    asyncio.run(main())


def test_session_that_is_killed_while_its_count_is_looked_at_gets_no_clearance():
    async def main():
        desk: Any = Desk()
        live = await desk.begin(tainted=False)
        admission = desk.clearing._admission
        looking = admission.look

        async def killed(*given):
            found = await looking(*given)
            await desk.sessions.change(live, Command.STOP, "enough")
            return found

        admission.look = killed
        with pytest.raises(SessionStopped):
            await desk.clearing.count(live, given(body()))

    asyncio.run(main())
