"""When a prompt that a hook told of vouches, and when it is recorded alone."""

import asyncio
import json

import pytest

from holdfast.core.messages import ModelRequest, read_request
from holdfast.model.tools import CallState
from tests.unit.runtime.house import MODEL, House
from tests.wired import NoProcesses

TOOL = {"name": "look", "description": "looks", "input_schema": {"type": "object"}}
TEXT = "refund 40 to ann@acme.co"
CLI, TOOLS = (10, 1), (20, 2)


class Seen(NoProcesses):
    """The processes that the test says."""

    def __init__(self, *there):
        super().__init__()
        self.there = frozenset(there)

    async def seen(self, session_id):
        return self.there


def request(*contents, tools=(TOOL,), behind=()) -> ModelRequest:
    messages = [{"role": "user", "content": one} for one in contents]
    messages += [{"role": role, "content": "# Environment"} for role in behind]
    body = {"model": MODEL, "max_tokens": 50, "messages": messages, "tools": list(tools)}
    read = read_request(json.dumps(body).encode())
    assert isinstance(read, ModelRequest)
    return read


def asked(*requests, there=(CLI,), sealed=True, submitted=TEXT, **more):
    """Whether the prompt vouches after these requests, and how often the journal says so."""

    async def main():
        processes = Seen(*there)
        house = House(processes=processes)
        fence, prompts = house.fence, house.prompts
        live = await house.open(sealed=sealed)
        if more.get("ran"):
            await fence.adopt(live)
            house.emit(live, "c1", "look", {"order": "7"})
            await house.decide(live, "c1", "look", {"order": "7"}, emit=False)
            processes.there = frozenset(more["ran"])
        await prompts.submitted(live, submitted)
        processes.there = frozenset(more.get("then", processes.there))
        for one in requests:
            await prompts.confirm(live, one)
        assert live.calls.get("c1") is None or live.calls["c1"].state is CallState.ALLOWED
        return live.vouched.typed("ann@acme.co"), len(house.written("prompt.confirmed"))

    return asyncio.run(main())


REMINDED = [{"type": "text", "text": "<system-reminder>x</system-reminder>"},
            {"type": "text", "text": TEXT}]  # fmt: skip


@pytest.mark.parametrize("content", [TEXT, REMINDED])
def test_a_prompt_vouches_where_the_next_request_of_the_conversation_carries_it(content):
    assert asked(request(content)) == (True, 1)
    assert asked(request("a title, please", tools=()), request(content)) == (True, 1)
    assert asked(request("hi", content)) == (True, 1)


def test_what_the_client_says_of_where_it_runs_may_stand_behind_and_an_answer_may_not():
    assert asked(request(TEXT, behind=("system", "system"))) == (True, 1)
    assert asked(request(TEXT, behind=("assistant", "system"))) == (False, 0)
    assert asked(request(TEXT, "something else", behind=("system",))) == (False, 0)


@pytest.mark.parametrize(
    "content",
    [
        f"{TEXT}.",
        f"do not {TEXT}",
        [{"type": "text", "text": TEXT + " now"}],
        [{"type": "tool_result", "tool_use_id": "c1", "content": TEXT}],
        [
            {"type": "tool_result", "tool_use_id": "c1", "content": "x"},
            {"type": "text", "text": TEXT},
        ],
    ],
)
def test_another_text_and_one_beside_a_result_is_not_what_the_user_just_said(content):
    assert asked(request(content)) == (False, 0)


def test_it_is_the_next_request_or_none_and_the_last_message_alone():
    assert asked(request("something else"), request(TEXT)) == (False, 0)
    assert asked(request(TEXT, "something else")) == (False, 0)


def test_a_session_whose_token_was_not_seen_to_be_out_of_reach_vouches_for_none():
    assert asked(request(TEXT), sealed=False) == (False, 0)


def test_nobody_is_seen_where_the_client_runs_elsewhere_and_then_nothing_is_proved():
    assert asked(request(TEXT), there=()) == (False, 0)


def test_a_process_that_came_since_the_first_permit_takes_the_word_from_a_prompt():
    assert asked(request(TEXT), ran=(CLI,)) == (True, 1)
    assert asked(request(TEXT), ran=(CLI, TOOLS)) == (False, 0)
    assert asked(request(TEXT), ran=(CLI,), then=(CLI, TOOLS)) == (False, 0)
    assert asked(request(TEXT), ran=((10, 9),)) == (False, 0), "the same number, another process"


def test_a_prompt_that_is_nothing_or_too_long_to_be_kept_vouches_for_nothing():
    assert asked(request(" "), submitted=" ") == (False, 0)
    long = "x" * 20_001 + TEXT
    assert asked(request(long), submitted=long) == (False, 0)
