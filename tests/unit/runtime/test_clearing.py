"""Nothing of a request leaves for a provider before it was admitted: calls, counts, and lists."""

import asyncio
import json

import pytest

from holdfast.core.progress import Progress
from holdfast.core.wire.admitted import NOTHING
from holdfast.errors import (
    Denied,
    Exhausted,
    HoldfastError,
    InvalidRequest,
    LoopDetected,
    SessionStopped,
)
from holdfast.model.bodies import LoopAlert
from holdfast.model.budgets import Dimension
from holdfast.ports.llm import Cleared
from holdfast.runtime.clearing import Clearance, ClientRequest, told_to_list
from tests.unit.runtime.house import (
    CONTRACTS,
    SSE,
    USD,
    House,
    asking,
    contract,
    limit,
    result_message,
    started,
    stopped,
    text_block,
    tool_block,
)
from tests.unit.runtime.relay_pair import RelayPair
from tests.unit.runtime.test_model_calls import drained

GOOD = (200, SSE, [started(), *text_block("hi"), *stopped()])
COUNT = "/v1/messages/count_tokens"
SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 1}
PICTURE = {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}
NOTHING_LEFT = [
    limit(dimension, 0) for dimension in Dimension if dimension is not Dimension.TOOL_CALLS
]


def said(block):
    return [{"role": "user", "content": [block]}]


def counting(**fields):
    request = asking(**fields)
    del request["max_tokens"], request["stream"]
    return json.dumps(request).encode()


def test_a_request_that_may_leave_cannot_be_made_without_admission():
    for made in (Cleared, Clearance):
        with pytest.raises(TypeError, match="admission"):
            made()
    assert told_to_list("/v1/models", {}, NOTHING).body == b""


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"model": "claude-opus-4-5"}, Denied),
        ({"tools": [SEARCH]}, Denied),
        ({"messages": said(PICTURE)}, Denied),
        ({"mcp_servers": [{"type": "url", "name": "m", "url": "https://x"}]}, Denied),
        ({"novel": 1}, InvalidRequest),
    ],
)
def test_a_count_is_admitted_as_a_call_is(fields, error):
    async def main():
        house = House()
        house.upstream.counts = 10
        live = await house.open(limit(USD, 10**9), allowed_models=("claude-haiku-4-5",))
        with pytest.raises(error):
            await house.calls.count(live, COUNT, {}, counting(**fields))
        with pytest.raises(error):
            await house.call(live, asking(**fields))
        assert house.upstream.sent == []
        answer = await house.calls.count(live, COUNT, {}, counting())
        assert json.loads(await answer.read(1000)) == {"input_tokens": 10}

    asyncio.run(main())


def test_a_granted_count_goes_and_its_decision_is_told_a_few_times_only():
    async def main():
        house = House(contracts=(*CONTRACTS, contract("web_search")))
        house.upstream.counts = 10
        live = await house.open(limit(USD, 10**9))
        for _ in range(30):
            await house.calls.count(live, COUNT, {}, counting(tools=[SEARCH]))
        assert len(house.upstream.sent) == 30
        assert len(house.written("tool_call.decided")) == 20

    asyncio.run(main())


@pytest.mark.parametrize("spent", NOTHING_LEFT, ids=lambda one: str(one.dimension))
def test_with_nothing_left_nothing_is_counted_nor_called(spent):
    async def main():
        house = House(wait_s=0.1)
        house.upstream.counts, house.upstream.script = 10, [GOOD]
        live = await house.open(limit(USD, 10**12), spent)
        with pytest.raises(Exhausted):
            await house.calls.count(live, COUNT, {}, counting())
        for fields in ({}, {"max_tokens": 60_000}, {"messages": said({"type": "document", "source": {
            "type": "base64", "media_type": "application/pdf", "data": "aGk="}})}):  # fmt: skip
            with pytest.raises(Exhausted):
                await house.call(live, asking(**fields))
        assert house.upstream.sent == []
        house.nothing_held()

    asyncio.run(main())


def test_a_count_asks_for_nothing_that_tool_calls_draw_on():
    async def main():
        house = House()
        house.upstream.counts = 10
        live = await house.open(limit(USD, 10**9), limit(Dimension.TOOL_CALLS, 0))
        answer = await house.calls.count(live, COUNT, {}, counting())
        assert json.loads(await answer.read(1000)) == {"input_tokens": 10}

    asyncio.run(main())


def test_what_the_provider_would_read_for_a_count_taints_nothing_and_for_a_call_does():
    async def main():
        house = House(contracts=(*CONTRACTS, contract("web_fetch")))
        house.upstream.counts, house.upstream.script = 10, [GOOD]
        live = await house.open(limit(USD, 10**9))
        await house.calls.count(live, COUNT, {}, counting(messages=said(PICTURE)))
        assert len(house.upstream.sent) == 1
        assert not live.vouched.tainted
        await drained(await house.call(live, asking(messages=said(PICTURE))))
        assert live.vouched.tainted

    asyncio.run(main())


def test_a_call_that_the_cheap_bound_refuses_is_counted_and_runs():
    async def main():
        house = House()
        house.upstream.counts, house.upstream.script = 10, [GOOD]
        live = await house.open(limit(USD, 2_000_000))
        await drained(await house.call(live, asking("x" * 9_000, max_tokens=50)))
        assert [path for _, path, _, _ in house.upstream.sent] == [COUNT, "/v1/messages"]

    asyncio.run(main())


def test_a_session_killed_before_its_count_sends_nothing():
    async def main():
        house = House()
        house.upstream.counts = 10
        live = await house.open(limit(USD, 10**9))
        await house.killer.kill(live, "stop", by="op")
        with pytest.raises(SessionStopped):
            await house.calls.count(live, COUNT, {}, counting())
        with pytest.raises(SessionStopped):
            await house.calls.models(live, "/v1/models", {})
        assert house.upstream.sent == []

    asyncio.run(main())


def test_a_count_that_waits_for_policy_is_not_sent_after_a_kill():
    async def main():
        house = House(contracts=(*CONTRACTS, contract("web_search")))
        house.upstream.counts = 10
        live = await house.open(limit(USD, 10**9))
        asked, go = asyncio.Event(), asyncio.Event()
        decide = house.policy.decide

        async def slowly(request):
            asked.set()
            await go.wait()
            return await decide(request)

        house.policy.decide = slowly
        counted = asyncio.create_task(house.calls.count(live, COUNT, {}, counting(tools=[SEARCH])))
        await asked.wait()
        await house.killer.kill(live, "stop", by="op")
        go.set()
        with pytest.raises(SessionStopped):
            await counted
        assert house.upstream.sent == []

    asyncio.run(main())


def test_a_result_that_was_withheld_from_the_model_is_withheld_from_counts():
    async def main():
        house = House()
        house.upstream.counts = 10
        pieces = [started(), *tool_block("t1", "look", {"order": "1"}), *stopped(reason="tool_use")]
        house.upstream.script = [(200, SSE, pieces)]
        live = await house.open(limit(USD, 10**9))
        await drained(await house.call(live))
        house.policy.rules = ()
        await house.decide(live, "t1", "look", {"order": "1"}, emit=False)
        use = {"type": "tool_use", "id": "t1", "name": "look", "input": {"order": "1"}}
        messages = [
            {"role": "user", "content": "x"},
            {"role": "assistant", "content": [use]},
            result_message("t1", "the secret", is_error=True),
        ]
        await house.calls.count(live, COUNT, {}, counting(messages=messages))
        assert b"the secret" not in house.upstream.sent[-1][3]
        # And from another model that is asked in place of the first.
        clearing, body = house.calls.clearing, json.dumps(asking(messages=messages)).encode()
        first = await clearing.call(live, ClientRequest("/v1/messages", {}, body))
        assert list(first.contents) == [(2, 0)]
        other = clearing.fallen_back(live, first, "claude-haiku-4-5")
        assert other.contents == first.contents
        assert (other.request.model, other.model) == ("claude-haiku-4-5", first.model)

    asyncio.run(main())


def test_another_model_in_place_of_the_first_is_one_that_the_agent_may_use():
    async def main():
        house = House()
        live = await house.open(limit(USD, 10**9), allowed_models=("claude-haiku-4-5",))
        clearing, body = house.calls.clearing, json.dumps(asking()).encode()
        first = await clearing.call(live, ClientRequest("/v1/messages", {}, body))
        with pytest.raises(Denied):
            clearing.fallen_back(live, first, "claude-opus-4-5")

    asyncio.run(main())


def test_a_relay_sends_a_count_on_the_servers_word_and_nothing_without_it():
    async def main():
        async with RelayPair() as pair:
            pair.upstream.counts = 10
            await pair.open(limit(USD, 10**9))
            live, calls = pair.token, pair.relayed
            answer = await calls.count(live, COUNT, {}, counting())
            assert json.loads(await answer.read(1000)) == {"input_tokens": 10}
            sent = len(pair.upstream.sent)
            for fields in ({"tools": [SEARCH]}, {"messages": said(PICTURE)}, {"novel": 1}):
                with pytest.raises(HoldfastError):
                    await calls.count(live, COUNT, {}, counting(**fields))
            assert len(pair.upstream.sent) == sent

    asyncio.run(main())


def test_the_loop_guard_stands_before_any_count(monkeypatch):
    async def main():
        house = House()
        house.upstream.counts, house.upstream.script = 10, [GOOD]
        live = await house.open(limit(USD, 2_000_000))
        monkeypatch.setattr(Progress, "turn_ahead", lambda _: [_Stop()])
        with pytest.raises(LoopDetected):
            await house.call(live, asking("x" * 9_000, max_tokens=50))
        assert house.upstream.sent == []

    class _Stop:
        stops, text, code = True, "enough", "loop"

        def told(self):
            return LoopAlert(code=self.code, text=self.text, stops=True)

    asyncio.run(main())
