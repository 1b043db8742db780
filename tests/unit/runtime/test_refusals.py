"""Refusals are told a few times and then counted: nobody who is refused can write the journal."""

import asyncio

import pytest

from holdfast.errors import PermitInvalid, RateLimited
from holdfast.model.events import Kind
from holdfast.model.principals import Principal
from holdfast.runtime.guard import Asked
from holdfast.runtime.refusals import _WINDOWS_MAX, TOLD_MOST, WINDOW_S, Refusals, Untold
from tests.unit.runtime.house import House, soon

NS = 1_000_000_000
KIND = Kind.PERMIT_REFUSED


def who(session):
    return Principal(
        tenant="acme", project="shop", user="ann", agent="desk", session=session, task=""
    )


def test_the_first_few_are_told_the_rest_counted_and_a_new_minute_begins_anew():
    refusals = Refusals()
    ann, bob = who("ses_a"), who("ses_b")
    told = [refusals.tells(KIND, ann, 0) for _ in range(TOLD_MOST + 7)]
    assert told == [True] * TOLD_MOST + [False] * 7
    assert refusals.tells(KIND, bob, 0)
    assert refusals.tells(Kind.AUTH_REFUSED, ann, 0)
    assert refusals.due((WINDOW_S - 1) * NS) == []
    assert refusals.due(WINDOW_S * NS) == [Untold(KIND, ann, 7)]
    assert refusals.due(WINDOW_S * NS) == []
    assert refusals.tells(KIND, ann, WINDOW_S * NS)


def test_more_sessions_than_are_kept_apart_share_one_count():
    refusals = Refusals(most=1)
    for number in range(_WINDOWS_MAX + 50):
        refusals.tells(KIND, who(f"ses_{number}"), 0)
    assert len(refusals._windows) == _WINDOWS_MAX + 1
    assert refusals.due(0, all_of_them=True) == [Untold(KIND, None, 49)]


def test_forged_requests_for_permits_are_each_refused_and_leave_few_records():
    async def main():
        house = House()
        live = await house.open()
        for number in range(500):
            with pytest.raises(PermitInvalid):
                await house.guard.decide(
                    live, Asked(call_id=f"forged{number}", tool="look", arguments={}, door="x")
                )
        assert len(house.written(KIND)) == TOLD_MOST
        house.clock.advance(WINDOW_S)
        house.journal.tell_refusals()
        await soon(lambda: len(house.written(KIND)) > TOLD_MOST)
        *_, last = house.written(KIND)
        assert last.body["times"] == 500 - TOLD_MOST
        assert last.session == live.session.session_id
        assert len(house.written(KIND)) == TOLD_MOST + 1

    asyncio.run(main())


def test_prompts_faster_than_anybody_types_are_refused():
    async def main():
        house = House()
        live = await house.open()
        for number in range(60):
            await house.outcomes.prompt(live, f"prompt {number}")
        with pytest.raises(RateLimited):
            await house.outcomes.prompt(live, "one more")
        assert len(house.written(Kind.PROMPT_SUBMITTED)) == 60
        house.clock.advance(WINDOW_S)
        await house.outcomes.prompt(live, "and on")

    asyncio.run(main())
