"""The scripted model through the real `anthropic` client: it must not be able to tell the difference."""

from typing import Any

import anthropic
import pytest
from anthropic import beta_tool
from genai_prices import Usage, calc_price

from holdfast.testing.scripted_model import (
    ScriptedModel,
    Text,
    Thinking,
    ToolUse,
    Turn,
    call,
    say,
    text_tokens,
)

MODEL = "claude-opus-5-5"
HELLO = [{"role": "user", "content": "hello"}]


def client(server, *, max_retries=0) -> Any:
    return anthropic.Anthropic(base_url=server.url, api_key="key", max_retries=max_retries)


def test_created_message_says_the_scripted_text_and_counts_it():
    with ScriptedModel([say("good morning")]) as server:
        message = client(server).messages.create(model=MODEL, max_tokens=50, messages=HELLO)
    assert message.content[0].text == "good morning"
    assert message.stop_reason == "end_turn"
    assert message.usage.output_tokens == text_tokens("good morning")
    assert message.usage.input_tokens == text_tokens("hello")
    assert message.id.startswith("msg_")


def test_streamed_message_equals_the_created_one_and_has_the_asked_number_of_deltas():
    script = {"turns": [{"words": 300, "pacing": {"events": 200}}]}
    with ScriptedModel(script) as server:
        api = client(server)
        whole = api.messages.create(model=MODEL, max_tokens=4000, messages=HELLO)
        with api.messages.stream(model=MODEL, max_tokens=4000, messages=HELLO) as stream:
            kinds = [event.type for event in stream]
        final = stream.get_final_message()
    assert final.content[0].text == whole.content[0].text
    assert final.usage.output_tokens == whole.usage.output_tokens
    assert kinds.count("content_block_delta") == 200
    assert kinds[0] == "message_start"
    assert kinds[-1] == "message_stop"


def test_thinking_text_and_two_calls_arrive_in_order_with_unique_ids():
    turn = Turn(
        blocks=(
            Thinking(text="let me see", hidden_tokens=40),
            Text(text="two calls"),
            ToolUse(name="read", input={"path": "/a", "n": [1, {"deep": "ü"}]}),
            ToolUse(name="read", input={}),
        )
    )
    asked: Any = {"model": MODEL, "max_tokens": 500, "messages": HELLO}
    with ScriptedModel([turn]) as server, client(server).messages.stream(**asked) as stream:
        message = stream.get_final_message()
    assert [block.type for block in message.content] == ["thinking", "text", "tool_use", "tool_use"]
    assert message.content[0].signature
    assert message.content[2].input == {"path": "/a", "n": [1, {"deep": "ü"}]}
    assert message.content[2].id != message.content[3].id
    assert message.stop_reason == "tool_use"
    assert message.usage.output_tokens_details.thinking_tokens == text_tokens("let me see") + 40


def test_tool_runner_on_a_server_held_thread_sends_only_the_result():
    seen = []

    @beta_tool
    def get_weather(city: str) -> str:
        """Weather of a city.

        Args:
            city: its name
        """
        seen.append(city)
        return "sunny"

    script = [call("get_weather", {"city": "Oslo"}), say("it is {{last_tool_result}}")]
    with ScriptedModel(script) as server:
        runner = client(server).beta.messages.tool_runner(
            model=MODEL, max_tokens=500, tools=[get_weather], messages=HELLO
        )
        last = runner.until_done()
        bodies = [record.json for record in server.message_requests]
    assert seen == ["Oslo"]
    assert last.content[0].text == "it is sunny"
    assert [body["thread"]["type"] for body in bodies] == ["create", "continue"]
    assert [block["type"] for block in bodies[1]["messages"][0]["content"]] == ["tool_result"]
    assert "tools" not in bodies[1]


def test_a_reply_is_continued_once_and_an_unknown_one_not_at_all():
    beta = {"betas": ["message-threads-2026-08-12"]}
    asked = {"model": MODEL, "max_tokens": 50, "messages": HELLO}
    with ScriptedModel([say("one"), say("two")]) as server:
        api = client(server)
        first = api.beta.messages.create(**asked, thread={"type": "create"}, **beta)
        onward = {"type": "continue", "previous_message_id": first.id}
        second = api.beta.messages.create(**asked, thread=onward, **beta)
        with pytest.raises(anthropic.BadRequestError, match="already been continued"):
            api.beta.messages.create(**asked, thread=onward, **beta)
        lost = {"type": "continue", "previous_message_id": "msg_unknown"}
        with pytest.raises(anthropic.NotFoundError) as caught:
            api.beta.messages.create(**asked, thread=lost, **beta)
    assert second.content[0].text == "two"
    details: Any = caught.value.body
    assert details["error"]["details"]["error_code"] == "thread_not_found"


def test_counted_tokens_are_the_tokens_billed():
    tools = [{"name": "t", "description": "d" * 99, "input_schema": {"type": "object"}}]
    asked = {"model": MODEL, "messages": HELLO, "system": "be brief", "tools": tools}
    with ScriptedModel([say("ok")]) as server:
        api = client(server)
        counted = api.messages.count_tokens(**asked).input_tokens
        billed = api.messages.create(**asked, max_tokens=9).usage.input_tokens
    assert counted == billed > 25


def test_models_are_listed_and_found_also_by_dated_name():
    with ScriptedModel() as server:
        api = client(server)
        names = [model.id for model in api.models.list()]
        assert api.models.retrieve("claude-haiku-4-5-20251001").display_name == "Claude Haiku 4.5"
        with pytest.raises(anthropic.NotFoundError):
            api.models.retrieve("gpt-5")
    assert {"claude-opus-5-5", "claude-sonnet-5", "claude-haiku-4-5"} <= set(names)


def test_default_models_are_all_in_the_price_table():
    with ScriptedModel() as server:
        names = [model.id for model in client(server).models.list()]
    usage = Usage(input_tokens=1000, output_tokens=10)
    for name in names:
        assert calc_price(usage, model_ref=name, provider_id="anthropic").total_price > 0


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, anthropic.BadRequestError),
        (401, anthropic.AuthenticationError),
        (403, anthropic.PermissionDeniedError),
        (404, anthropic.NotFoundError),
        (413, anthropic.APIStatusError),
        (429, anthropic.RateLimitError),
        (500, anthropic.InternalServerError),
        (529, anthropic.APIStatusError),
    ],
)
def test_scripted_status_reaches_the_client_as_its_error_and_only_as_often_as_asked(status, error):
    script = [{"text": "after all", "fault": {"status": status, "times": 1, "retry_after_s": 2}}]
    with ScriptedModel(script) as server:
        api = client(server)
        with pytest.raises(error) as caught:
            api.messages.create(model=MODEL, max_tokens=50, messages=HELLO)
        after = api.messages.create(model=MODEL, max_tokens=50, messages=HELLO)
    assert caught.value.status_code == status
    assert caught.value.body["type"] == "error"
    assert caught.value.body["request_id"] == caught.value.response.headers["request-id"]
    assert caught.value.response.headers["retry-after"] == "2"
    assert after.content[0].text == "after all"


def test_a_client_that_retries_gets_the_same_turn():
    script = [{"text": "here", "fault": {"status": 529, "times": 2, "retry_after_s": 0.01}}]
    with ScriptedModel(script) as server:
        message = client(server, max_retries=3).messages.create(
            model=MODEL, max_tokens=50, messages=HELLO
        )
        assert [(r.status, r.attempt) for r in server.requests] == [(529, 0), (529, 1), (200, 2)]
    assert message.content[0].text == "here"


def test_web_search_is_shown_and_billed_as_a_server_tool():
    tools = [{"type": "web_search_20250305", "name": "web_search", "max_uses": 1}]
    with (
        ScriptedModel() as server,
        client(server).messages.stream(
            model=MODEL, max_tokens=900, messages=HELLO, tools=tools
        ) as stream,
    ):
        message = stream.get_final_message()
    assert [block.type for block in message.content][:2] == [
        "server_tool_use",
        "web_search_tool_result",
    ]
    assert message.usage.server_tool_use.web_search_requests == 1
