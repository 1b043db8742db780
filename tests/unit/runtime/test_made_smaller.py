"""A client that gives up parts of its conversation: seen by what it shows, and told its task."""

import asyncio

import pytest

from tests.unit.runtime.house import JSON, USD, House, breath, limit, whole_answer

TOOL = {"name": "look", "description": "looks", "input_schema": {"type": "object"}}
CLI = {"User-Agent": "claude-cli/2.1.329 (external, sdk-py, agent-sdk/0.2.186)"}
SUB = {**CLI, "x-claude-code-agent-id": "scout-1"}
OWN = {"User-Agent": "Anthropic/Python 1.0"}
TASK = "Task: shelf\nKeep the third shelf in order, “always”."
LONG = [
    {"role": "user", "content": "tidy up"},
    {"role": "assistant", "content": "I look."},
    {"role": "user", "content": "go on"},
    {"role": "assistant", "content": "I looked."},
    {"role": "user", "content": "go on"},
]
SHORT = [{"role": "user", "content": "This session is being continued. Summary: all is tidy."}]


def answers(house):
    house.upstream.script = [(200, JSON, [whole_answer(input_tokens=700, output_tokens=5)])]


async def say(house, live, messages, *, headers=CLI, tools=(TOOL,), **more):
    await (
        await house.call(
            live, stream=False, messages=messages, tools=list(tools), headers=headers, **more
        )
    ).whole()
    await breath()


async def begin(house, **more):
    answers(house)
    given = {"context_window_tokens": 1000, "context_alert_percent": 80, "task_text": TASK, **more}
    return await house.open(limit(USD, 10**10), **given)


def seen(house):
    return [record.body for record in house.written("context.compacted")]


def systems(house):
    return [sent.get("system") for sent in house.upstream.messages]


def told(*before):
    return [*before, {"type": "text", "text": TASK}]


def test_what_the_client_gave_up_is_journalled_and_its_model_has_the_task_to_the_letter():
    async def main():
        house = House()
        live = await begin(house)
        await say(house, live, LONG, system="Be kind.")
        await say(house, live, SHORT, system="Be kind.")
        await say(house, live, SHORT, system="Be kind.")
        assert seen(house) == [
            {"before": 5, "messages": 1, "percent": 70, "agent_path": "", "task": True}
        ]
        # The same before and after, so what the provider has cached of it is not lost by it.
        assert systems(house) == [told({"type": "text", "text": "Be kind."})] * 3

    asyncio.run(main())


def test_it_is_seen_after_a_restart_and_in_the_session_that_goes_on():
    async def main():
        house = House()
        live = await begin(house)
        await say(house, live, LONG)
        again = House(store=house.store, clock=house.clock, entropy=house.entropy)
        answers(again)
        loaded = await again.sessions.get(live.session.session_id)
        await say(again, loaded, SHORT)
        assert len(seen(again)) == 1
        await say(again, loaded, [*SHORT, *LONG[1:]])
        later = await begin(again, parent=live.session.session_id)
        await say(again, later, [{"role": "user", "content": "another summary"}])
        found = again.written("context.compacted")[1:]
        assert [(one.session, one.body["messages"]) for one in found] == [
            (later.session.session_id, 1)
        ]

    asyncio.run(main())


@pytest.mark.parametrize(
    ("headers", "tools", "task"),
    [
        (OWN, (TOOL,), TASK),
        ({}, (TOOL,), TASK),
        (SUB, (TOOL,), TASK),
        (CLI, (), TASK),
        (CLI, (TOOL,), ""),
    ],
)
def test_no_word_is_added_for_a_program_of_ones_own_a_sub_agent_or_a_side_call(
    headers, tools, task
):
    async def main():
        house = House()
        live = await begin(house, task_text=task)
        await say(house, live, LONG, headers=headers, tools=tools)
        await say(house, live, SHORT, headers=headers, tools=tools)
        assert systems(house) == [None, None]
        assert [one["task"] for one in seen(house)] == [False], "it is seen all the same"

    asyncio.run(main())


def test_a_run_tells_of_its_own_compaction_itself():
    async def main():
        house = House()
        live = await begin(house, context_alert_percent=0)
        await say(house, live, LONG)
        await say(house, live, SHORT)
        assert seen(house) == []

    asyncio.run(main())


def test_what_is_told_is_held_for_and_counted():
    async def main():
        held = []
        for task in ("", "x" * 1000):
            house = House()
            live = await begin(house, task_text=task)
            before = house.account(live, USD).held
            waiting = asyncio.Event()
            house.upstream.script = [waiting]
            call = asyncio.create_task(house.call(live, stream=False, tools=[TOOL], headers=CLI))
            await breath()
            held.append(house.account(live, USD).held - before)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
        assert held[1] > held[0]
        house = House()
        live = await begin(house)
        house.upstream.counts = 7
        body = b'{"model":"claude-haiku-4-5","messages":[{"role":"user","content":"a"}],"tools":[{"name":"look","input_schema":{"type":"object"}}]}'
        await house.calls.count(live, "/v1/messages/count_tokens", CLI, body)
        assert TASK.encode("unicode_escape")[:11] in house.upstream.sent[-1][3]

    asyncio.run(main())
