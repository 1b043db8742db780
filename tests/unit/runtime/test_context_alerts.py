"""How full a session's context is: from each answer's usage, told once each time it fills."""

import asyncio

import pytest

from holdfast.core.context import ContextUse
from holdfast.model.bodies import ModelCallSettled
from tests.unit.runtime.house import JSON, USD, House, breath, limit, whole_answer

TOOL = {"name": "look", "description": "looks", "input_schema": {"type": "object"}}
AGENT = {"x-claude-code-agent-id": "scout-1"}


def played(*tokens, window=1000, alert=80, headers=None, tools=(TOOL,)):
    """The house after answers that used so many tokens."""
    house = House()

    async def main():
        live = await house.open(
            limit(USD, 10**10), context_window_tokens=window, context_alert_percent=alert
        )
        for used in tokens:
            house.upstream.script = [
                (200, JSON, [whole_answer(input_tokens=used - 5, output_tokens=5)])
            ]
            answer = await house.call(live, stream=False, tools=list(tools), headers=headers)
            await answer.whole()
            await breath()
        return live

    return house, asyncio.run(main())


def told(house):
    return [(r.body["percent"], r.body["threshold"]) for r in house.written("context.alert")]


def test_an_alert_comes_once_for_each_time_that_the_context_fills():
    house, live = played(700, 799, 800, 950, 200, 810)
    assert told(house) == [(80, 80), (81, 80)]
    assert live.context.percent == 81


@pytest.mark.parametrize(("used", "alerts"), [(799, []), (800, [(80, 80)]), (5000, [(100, 80)])])
def test_the_threshold_is_exact_and_more_than_all_is_all(used, alerts):
    house, _ = played(used)
    assert told(house) == alerts


def test_without_a_window_of_ones_own_it_is_the_models():
    house, live = played(100_000, window=0, alert=50)
    assert live.context.percent == 50
    assert told(house) == [(50, 50)]


def test_zero_is_no_alert_and_the_percentage_is_known_all_the_same():
    house, live = played(900, alert=0)
    assert told(house) == []
    assert live.context.percent == 90


def test_what_each_answer_said_is_in_its_record_and_known_after_a_restart():
    house, live = played(300, 850)
    percents = [r.body["context_percent"] for r in house.written("model_call.settled")]
    assert percents == [30, 85]
    again = House(store=house.store, clock=house.clock, entropy=house.entropy)

    async def main():
        loaded = await again.sessions.get(live.session.session_id)
        assert loaded.context.percent == 85
        again.upstream.script = [(200, JSON, [whole_answer(input_tokens=900, output_tokens=5)])]
        await (await again.call(loaded, stream=False, tools=[TOOL])).whole()
        assert len(again.written("context.alert")) == 1, "it was told before the restart"

    asyncio.run(main())


def test_a_sub_agent_and_a_side_call_have_contexts_of_their_own():
    house, live = played(850, headers=AGENT)
    assert house.written("context.alert")[0].body["agent_path"] == "scout-1"
    assert live.context.percent == 85, "there is no other yet"
    use = ContextUse()
    assert use.answered("", 85, 80, tools=True)
    assert not use.answered("", 2, 80, tools=False)
    assert not use.answered("", 90, 80, tools=True), "a title between two answers is no new filling"
    assert use.answered("scout-1", 81, 80, tools=True)
    assert use.percent == 90


def test_contexts_that_nobody_hears_of_any_more_are_let_go():
    use = ContextUse()
    for n in range(200):
        use.answered(f"agent-{n}", 10, 80, tools=True)
    use.answered("", 20, 80, tools=True)
    assert len(use._percents) <= 64
    assert use.percent == 20


def test_each_of_many_sub_agents_is_told_of_once_however_many_answer_in_between():
    use = ContextUse()
    many = [f"agent-{n}" for n in range(300)]
    assert all(use.answered(name, 85, 80, tools=True) for name in many)
    assert not any(use.answered(name, 90, 80, tools=True) for name in many)
    # One that was emptied and fills again is told of again.
    assert not use.answered(many[0], 10, 80, tools=True)
    assert use.answered(many[0], 80, 80, tools=True)
    assert len(use._percents) <= 64


def test_what_was_told_of_many_sub_agents_is_known_after_a_restart():
    use = ContextUse()
    for n in range(100):
        told = {"context_percent": 85, "tools": True, "agent_path": f"agent-{n}"}
        use.recorded(ModelCallSettled.read(told), 80)
    assert not use.answered("agent-0", 86, 80, tools=True)
    assert use.answered("agent-100", 86, 80, tools=True)
