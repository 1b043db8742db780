"""A count is held to the history and the evidence of a call, and leaves nothing behind."""

import asyncio
import json

import pytest

from holdfast.errors import EvidenceMissing, HistoryRewritten, HistoryUnknown, HoldfastError
from holdfast.model.hooks import HookAnswer, HookPoint
from holdfast.model.tools import CallState
from tests.unit.runtime.house import (
    SSE,
    House,
    asking,
    result_message,
    started,
    stopped,
    tool_block,
)
from tests.unit.runtime.large_bodies import ReadElsewhere
from tests.unit.runtime.test_model_calls import drained

SECRET = "the raw output"
COUNT = "/v1/messages/count_tokens"
HOUSES = {"here": House, "read elsewhere": ReadElsewhere}


@pytest.fixture(params=HOUSES)
def make(request):
    """Whoever reads a request: every line below holds."""
    return HOUSES[request.param]


async def masking(given):
    return HookAnswer(output=given.output.replace(SECRET, "***"))


async def agreeing(_):
    return None


def use(call_id, order="7"):
    block = {"type": "tool_use", "id": call_id, "name": "look", "input": {"order": order}}
    return {"role": "assistant", "content": [block]}


async def counted(home, live, *messages):
    home.upstream.counts = 10
    request = asking(messages=[{"role": "user", "content": "x"}, *messages])
    del request["max_tokens"], request["stream"]
    answer = await home.calls.count(live, COUNT, {}, json.dumps(request).encode())
    assert json.loads(await answer.read(1000)) == {"input_tokens": 10}


def left(home, live):
    """All that a history may change."""
    known = dict(live.calls)
    return known, live.vouched.tainted, live.session, set(live.limited), list(home.kinds())


def test_the_raw_result_of_a_call_that_a_hook_rewrote_is_not_counted(make):
    async def main():
        home = make(hooks={HookPoint.POST_TOOL: (("h", masking),)})
        live = await home.open()
        await home.decide(live, "c1", "look", {"order": "7"})
        shown = await home.finish(live, "c1", output=f"one\n{SECRET}")
        with pytest.raises(HistoryRewritten):
            await counted(home, live, use("c1"), result_message("c1", f"one\n{SECRET}"))
        assert home.upstream.sent == []
        await counted(home, live, use("c1"), result_message("c1", shown))

    asyncio.run(main())


def test_a_result_that_a_hook_has_not_seen_is_withheld_from_a_count_too(make):
    async def main():
        home = make(hooks={HookPoint.POST_TOOL: (("h", agreeing),)})
        live = await home.open()
        await home.decide(live, "c1", "look", {"order": "7"})
        await counted(home, live, use("c1"), result_message("c1", SECRET))
        assert SECRET not in str(home.upstream.sent)
        assert not live.calls["c1"].admitted

    asyncio.run(main())


@pytest.mark.parametrize(
    ("messages", "error"),
    [
        ([result_message("c2", SECRET)], EvidenceMissing),
        ([use("zz"), result_message("zz", SECRET)], HistoryUnknown),
        ([result_message("zz", SECRET)], HistoryUnknown),
        ([use("zz"), use("zz")], HistoryUnknown),
        ([use("c1"), use("c1")], HistoryRewritten),
        ([use("c1"), result_message("c1", "a"), result_message("c1", SECRET)], HistoryRewritten),
    ],
)
def test_what_a_call_is_refused_for_a_count_is_too_and_nothing_is_sent(make, messages, error):
    async def main():
        home = make()
        live = await home.open()
        await home.decide(live, "c1", "look", {"order": "7"})
        home.emit(live, "c2", "look", {"order": "8"})
        before = left(home, live)
        with pytest.raises(error):
            await counted(home, live, *messages)
        assert home.upstream.sent == []
        assert live.session.state == "active"
        assert left(home, live)[:-1] == before[:-1]
        with pytest.raises(HoldfastError) as told:
            await home.call(live, messages=messages)
        assert isinstance(told.value, error)

    asyncio.run(main())


def test_an_honest_history_is_counted_and_a_count_leaves_nothing_behind(make):
    async def main():
        home = make()
        live = await home.open()
        await home.decide(live, "c1", "look", {"order": "7"})
        home.emit(live, "c2", "look", {"order": "8"})
        before = left(home, live)
        denied = result_message("c2", "no such tool", is_error=True)
        await counted(home, live, use("c1"), result_message("c1", "shipped"))
        await counted(home, live, use("c1"), use("c2", "8"), result_message("c1", "x"), denied)
        await counted(home, live, result_message("c1", "a part of the history alone"))
        assert b"no such tool" not in home.upstream.sent[1][3]
        assert left(home, live) == before
        assert live.calls["c1"].state is CallState.ALLOWED

    asyncio.run(main())


def test_a_count_of_a_resumed_conversation_goes_and_takes_nothing_in(make):
    async def main():
        home = make()
        first = await home.open()
        pieces = [started(), *tool_block("c1", "look", {"order": "7"}), *stopped(reason="tool_use")]
        home.upstream.script = [(200, SSE, pieces)]
        await drained(await home.call(first))
        await home.decide(first, "c1", "look", {"order": "7"}, emit=False)
        await home.store.commit()
        first.vouched.taint("look")
        live = await home.open()
        await counted(home, live, use("c1"), result_message("c1", "shipped"))
        assert "c1" not in live.calls
        assert not live.vouched.tainted
        assert live.session.found == ()
        assert home.written("session.continued") == []

    asyncio.run(main())
