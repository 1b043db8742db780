"""Counting and listing: how many a minute, what their refusal says, and the one record of them."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
from typing import Any

import pytest

from holdfast.errors import RateLimited
from holdfast.runtime.free_calls import FreeCalls
from tests.skipped_time import run
from tests.unit.runtime.alone.desk import Desk


@pytest.fixture(autouse=True, params=["holdfast.runtime.free_calls"])
def module(request):
    """What these tests are about."""


def refusal(free, live):
    with pytest.raises(RateLimited) as refused:
        free.enter(live)
    return refused.value.message, refused.value.fields


def test_session_may_ask_three_hundred_times_a_minute_and_is_told_when_again():
    async def main():
        desk: Any = Desk()
        live, other = await desk.open(), await desk.open()
        free: Any = FreeCalls(desk.journal, desk.clock)
        for _ in range(300):
            free.enter(live)
        text = "a session may count tokens 300 times a minute"
        assert refusal(free, live) == (text, {"retry_after_s": 1})
        free.enter(other)
        desk.clock.advance(0.2)
        free.enter(live)
        assert refusal(free, live) == (text, {"retry_after_s": 1})
        asked = free._asked[live.session.session_id]
        assert (asked.passed, asked.refused) == (301, 2)
        left_s = asked.telling.when() - asyncio.get_running_loop().time()
        assert 59 < left_s <= 60
        assert set(free._asked) == {live.session.session_id, other.session.session_id}
        for one in free._asked.values():
            one.telling.cancel()

    run(main)


def test_wait_is_told_in_whole_seconds_rounded_up():
    async def main():
        desk: Any = Desk()
        live = await desk.open()
        for per_minute, passed_s, wait_s in ((20, 0, 3), (20, 0.5, 3), (20, 1, 2), (120, 0, 1)):
            free: Any = FreeCalls(desk.journal, desk.clock, per_minute=per_minute, tell_s=9)
            for _ in range(per_minute):
                free.enter(live)
            desk.clock.advance(passed_s)
            text = f"a session may count tokens {per_minute} times a minute"
            assert refusal(free, live) == (text, {"retry_after_s": wait_s})
            free._asked[live.session.session_id].telling.cancel()

    run(main)


def test_what_was_asked_and_refused_is_one_record_and_then_forgotten():
    async def main():
        desk: Any = Desk()
        live = await desk.open()
        seq = desk.seq
        free: Any = FreeCalls(desk.journal, desk.clock, per_minute=2, tell_s=0.004)
        free.enter(live)
        first = free._asked[live.session.session_id].telling
        free.enter(live)
        for _ in range(3):
            refusal(free, live)
        # One telling for all of them.
        assert free._asked[live.session.session_id].telling is first
        assert desk.since(seq) == []
        await asyncio.sleep(0.008)
        await desk.journal.commit(())
        told = {"kind": "model_call.counted", "body": {"passed": 2, "refused": 3}}
        assert desk.since(seq, live.who) == [told]
        assert free._asked == {}
        free.enter(live)
        await asyncio.sleep(0.008)
        await desk.journal.commit(())
        once = {"kind": "model_call.counted", "body": {"passed": 1, "refused": 0}}
        assert desk.since(seq, live.who) == [told, once]

    run(main)
