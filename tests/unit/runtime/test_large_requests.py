"""A request that is read elsewhere: what is refused, what is held, and what crosses."""

import asyncio
import json
from typing import Any

import pytest

from holdfast.core.large import Count, Edit, Read
from holdfast.errors import InvalidRequest, TooLarge, Unavailable, UpstreamUnavailable
from holdfast.model.tools import CallState
from holdfast.runtime.growing import Growing
from holdfast.runtime.relays.wire import Call, decoded
from tests.unit.runtime.house import SSE, USD, limit, result_message, started, stopped, text_block
from tests.unit.runtime.large_bodies import MemoryHeld, ReadElsewhere, ReadInRelay

GOOD = (200, SSE, [started(), *text_block("hi"), *stopped()])


async def drained(answer):
    return b"".join([chunk async for chunk in answer.events()])


@pytest.fixture(params=[ReadElsewhere, ReadInRelay], ids=["here", "in a relay"])
def house(request):
    return request.param


def test_where_nobody_can_read_it_nothing_is_forwarded_and_nothing_held(house):
    async def main():
        made = house()
        made.upstream.script = [GOOD]
        live = await made.open(limit(USD, 10**10))
        made.readers.down = {Read}
        with pytest.raises(Unavailable, match="the reader is down"):
            await made.call(live)
        assert made.upstream.sent == []
        made.nothing_held()
        made.readers.down = set()
        assert b"hi" in await drained(await made.call(live))

    asyncio.run(main())


def test_where_its_body_cannot_be_written_nothing_is_forwarded_and_nothing_held(house):
    async def main():
        made = house()
        made.upstream.script = [GOOD]
        live = await made.open(limit(USD, 10**8))
        made.upstream.counts = 10
        made.readers.down = {Edit}
        with pytest.raises((Unavailable, UpstreamUnavailable)):
            await made.call(live, max_tokens=30_000)
        assert made.upstream.messages == []
        await asyncio.sleep(0.01)
        made.nothing_held()

    asyncio.run(main())


def test_what_is_no_request_is_refused_in_the_words_of_the_table(house):
    async def main():
        made = house()
        live = await made.open(limit(USD, 10**10))
        with pytest.raises(InvalidRequest, match="is not in the table"):
            await made.call(live, novel=1)
        assert made.upstream.sent == []

    asyncio.run(main())


def test_the_provider_counts_what_stayed_elsewhere(house):
    async def main():
        made = house()
        made.upstream.script = [GOOD]
        made.upstream.counts = 50
        live = await made.open(limit(USD, 2 * 10**7))
        messages = [{"role": "user", "content": "word " * 20_000}]
        await drained(await made.call(live, messages=messages, max_tokens=300))
        [count] = [body for _, path, _, body in made.upstream.sent if "count_tokens" in path]
        assert json.loads(count)["messages"] == messages
        assert "max_tokens" not in json.loads(count)
        assert any(isinstance(job, Count) for job in made.readers.jobs)

    asyncio.run(main())


def test_a_large_body_never_crosses_from_a_relay_to_its_server():
    async def main():
        made = ReadInRelay()
        crossed = []
        frames: Any = made.frames
        talk = frames.call

        async def watched(method, body, timeout_s):
            crossed.append((method, body))
            return await talk(method, body, timeout_s)

        frames.call = watched
        made.upstream.script = [GOOD]
        live = await made.open(limit(USD, 10**10))
        messages = [{"role": "user", "content": "word " * 200_000}]
        await drained(await made.call(live, messages=messages))
        [asked] = [body for method, body in crossed if method == "call"]
        assert len(asked) < 5_000
        assert decoded(asked, Call).body == b""
        assert len(made.upstream.sent[-1][3]) > 1_000_000

    asyncio.run(main())


def test_a_result_whose_text_stayed_elsewhere_vouches_for_nothing():
    async def main():
        made = ReadElsewhere()
        made.upstream.script = [GOOD]
        live = await made.open(limit(USD, 10**12))
        for call_id, text in (("short", "order 7781"), ("long", "order 7782 " + "x" * 1_000_000)):
            await made.decide(live, call_id, "look", {"order": "7"})
            await made.finish(live, call_id, output=text)
            await drained(await made.call(live, messages=[result_message(call_id, text)]))
        admitted = made.written("tool_result.admitted")
        assert [bool(record.body.get("unread")) for record in admitted] == [False, True]
        assert [bool(record.body.get("trusted")) for record in admitted] == [True, False]
        assert live.calls["long"].state is CallState.EXECUTED

    asyncio.run(main())


def test_a_body_is_bytes_while_it_is_small_and_held_from_then_on():
    held = []

    def hold():
        held.append(MemoryHeld())
        return held[-1]

    small = Growing(10**6, hold)
    small.append(b"x" * 256 * 1024)
    assert small.whole() == b"x" * 256 * 1024
    assert held == []
    large = Growing(10**6, hold)
    for _ in range(3):
        large.append(b"y" * 200_000)
    assert large.whole() is held[0]
    assert bytes(held[0].view()) == b"y" * 600_000
    large.close()
    assert not held[0].closed
    over = Growing(300_000, hold)
    over.append(b"z" * 280_000)
    with pytest.raises(TooLarge, match="larger than 300000 bytes"):
        over.append(b"z" * 280_000)
    over.close()
    assert held[1].closed


def test_what_the_reader_wrote_is_let_go_once_it_was_sent():
    async def main():
        made = ReadElsewhere()
        made.upstream.script = [GOOD]
        live = await made.open(limit(USD, 10**10))
        made.emit(live, "t", "look", {})
        failed = result_message("t", "no", is_error=True)
        await drained(await made.call(live, messages=[failed]))
        assert made.readers.written
        assert all(one.closed for one in made.readers.written)

    asyncio.run(main())
