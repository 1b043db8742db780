"""The evidence check alone: what a result leaves the first time that it arrives, whole."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
from typing import Any

import msgspec
import pytest

from holdfast.core.messages import read_request
from holdfast.core.rates import Draw, Rates
from holdfast.core.sessions import Command
from holdfast.core.wire.admitted import NOTHING
from holdfast.errors import EvidenceMissing, Exhausted, HistoryUnknown
from holdfast.model.budgets import Dimension
from holdfast.model.tools import CallState
from holdfast.runtime.providers import Provider
from tests.unit.runtime.alone.desk import limit
from tests.unit.runtime.alone.gatehouse import Gatehouse

MODEL = "claude-haiku-4-5"


def admission(house):
    return house.admission


def showing(call_id, tool, arguments, text="done", *, is_error=False) -> Any:
    """A request that shows one call and its result."""
    call = {"type": "tool_use", "id": call_id, "name": tool, "input": arguments}
    result = {"type": "tool_result", "tool_use_id": call_id, "content": text}
    messages = [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [result | ({"is_error": True} if is_error else {})]},
    ]
    body = {"model": MODEL, "max_tokens": 9, "messages": messages}
    return read_request(msgspec.json.encode(body), NOTHING)


@pytest.mark.parametrize("paused", [False, True])
def test_result_without_a_permit_stops_the_session_cuts_its_streams_and_is_told(paused):
    async def main():
        house: Any = Gatehouse()
        live = await house.seat()
        house.emit(live, "c1", "look", {})
        if paused:
            await house.sessions.change(live, Command.PAUSE, "")
        cuts: list[str] = []
        live.streams["h"] = cuts.append
        seq = house.seq
        with pytest.raises(EvidenceMissing) as refused:
            await admission(house).admit(live, showing("c1", "look", {}))
        assert refused.value.fields == {"call_id": "c1"}
        missing = house.since(seq, live.who)[0]
        text = f"a tool result without a permit: {missing['body']['text']}"
        assert missing == {
            "kind": "evidence.missing",
            "call_id": "c1",
            "tool": "look",
            "verdict": "deny",
            "body": {"text": missing["body"]["text"]},
        }
        assert refused.value.message.startswith(text)
        assert cuts == ([] if paused else [text])
        assert live.session.state == ("paused" if paused else "stopped")
        assert paused or live.session.state_reason == text
        assert len(house.since(seq)) == (1 if paused else 2)

    asyncio.run(main())


def test_count_with_a_result_without_a_permit_stops_nothing_and_is_told_once():
    async def main():
        house: Any = Gatehouse()
        live = await house.seat()
        house.emit(live, "c1", "look", {})
        seq = house.seq
        for _ in range(2):
            with pytest.raises(EvidenceMissing) as refused:
                await admission(house).look(live, showing("c1", "look", {}))
        assert refused.value.fields["call_id"] == "c1"
        assert live.session.state == "active"
        [told] = house.since(seq, live.who)
        assert told == {
            "kind": "evidence.refused",
            "call_id": "c1",
            "tool": "look",
            "verdict": "deny",
            "body": {"code": refused.value.code, "text": refused.value.message},
        }

    asyncio.run(main())


def test_call_that_no_session_made_is_refused_by_name_and_told_once():
    async def main():
        house: Any = Gatehouse()
        live = await house.seat()
        seq = house.seq
        for _ in range(2):
            with pytest.raises(HistoryUnknown) as refused:
                await admission(house).admit(live, showing("c9", "look", {}))
        assert "`c9`" in refused.value.message
        [told] = house.since(seq, live.who)
        assert told["body"] == {"code": refused.value.code, "text": refused.value.message}
        assert "tool" not in told
        assert live.session.state == "active"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("tool", "is_error", "tainted", "body"),
    [
        ("look", False, False, {"characters": 4, "trusted": "done"}),
        ("look", True, False, {"characters": 4}),
        ("fetch", False, True, {"characters": 4, "taints": True}),
    ],
)
def test_first_arrival_of_a_result_marks_its_call_gives_and_taints_and_settles_its_hold(
    tool, is_error, tainted, body
):
    async def main():
        house: Any = Gatehouse()
        live = await house.seat(limit(Dimension.TOOL_CALLS, 9))
        ruling = await house.decide(live, "c1", tool)
        live.mixing.add("c1")
        before, seq = live.calls["c1"], house.seq
        request = showing("c1", tool, {}, is_error=is_error)
        assert await admission(house).admit(live, request) == {}
        state = CallState.FAILED if is_error else CallState.EXECUTED
        seen = msgspec.structs.replace(before, state=state, admitted=True)
        assert live.calls["c1"] == seen
        assert await house.store.calls(live.session.session_id) == [seen]
        assert live.mixing == set()
        assert (live.vouched.tainted, live.vouched.said("done")) == (tainted, "trusted" in body)
        assert house.budgets.ledger.open_holds() == []
        assert [s.settled for s in house.budgets.ledger.all_states(0)] == [1]
        told = [one for one in house.since(seq, live.who) if one["kind"].startswith("tool_")]
        assert told == [
            {
                "kind": "tool_result.admitted",
                "turn": 2,
                "call_id": "c1",
                "decision_id": ruling.decision.decision_id,
                "tool": tool,
                "body": body,
            }
        ]
        # Sent again with the history, it says nothing new.
        seq = house.seq
        await admission(house).admit(live, request)
        assert house.since(seq) == []

    asyncio.run(main())


def test_neutral_result_neither_gives_nor_taints_and_one_that_was_withheld_is_replaced():
    async def main():
        house: Any = Gatehouse()
        live = await house.seat()
        await house.decide(live, "c1", "fetch")
        live.neutral.add("c1")
        await admission(house).admit(live, showing("c1", "fetch", {}))
        assert house.store.journal[-1].body == {"characters": 4, "neutral": True}
        assert live.neutral == set()
        assert not live.vouched.tainted
        await house.decide(live, "c2", "fetch", {"n": 1})
        known = msgspec.structs.replace(live.calls["c2"], denial="withheld: so")
        live.calls["c2"] = known
        live.answers["c2"] = live.running["c2"] = "x"
        request = showing("c2", "fetch", {"n": 1})
        contents = await admission(house).admit(live, request)
        assert list(contents.values()) == ["withheld: so"]
        told = house.since(0, live.who)[-1]
        assert told["body"] == {"text": "withheld: so"}
        assert (told["kind"], told["turn"]) == ("tool_result.replaced", 2)
        assert (live.answers, live.running) == ({}, {})
        assert not live.vouched.tainted

    asyncio.run(main())


def test_call_that_never_ran_is_told_to_be_so_and_stays_so():
    async def main():
        house: Any = Gatehouse()
        live = await house.seat()
        known = house.emit(live, "c1", "look", {})
        live.emitted["c1"] = {}
        live.limited.add("c1")
        seq = house.seq
        contents = await admission(house).admit(live, showing("c1", "look", {}, is_error=True))
        [text] = contents.values()
        assert text.startswith("rate_limited: this tool call did not run")
        denied = msgspec.structs.replace(known, state=CallState.DENIED, denial=text)
        assert live.calls["c1"] == denied
        assert await house.store.calls(live.session.session_id) == [denied]
        assert (live.emitted, live.limited) == ({}, set())
        assert house.since(seq, live.who) == [
            {
                "kind": "tool_result.replaced",
                "turn": 2,
                "call_id": "c1",
                "tool": "look",
                "body": {"text": text},
            }
        ]

    asyncio.run(main())


def test_rate_of_a_call_whose_hold_is_refused_is_given_back():
    async def main():
        upstream: Any = None
        house: Any = Gatehouse(
            providers={"main": Provider(upstream, name="main")},
            decided={"model_rates": {"main": {"*": Rates(requests=1)}}, "wait_for_room_s": 0},
        )
        live = await house.seat(limit(Dimension.USD, 1))
        body = {"model": MODEL, "max_tokens": 9, "messages": [{"role": "user", "content": "go"}]}
        with pytest.raises(Exhausted):
            await house.calls.call(live, "/v1/messages", {}, msgspec.json.encode(body))
        drawn = await house.calls._rates.enter("main", MODEL, "acme", Draw(1, 0, 0), timeout_s=0)
        assert drawn is not None

    asyncio.run(main())
