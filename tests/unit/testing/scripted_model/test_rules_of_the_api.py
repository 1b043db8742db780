"""What the real API refuses, counts and caches, over plain HTTP."""

import json
import urllib.error
import urllib.request

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.testing.scripted_model import ScriptedModel, Turn, Usage, call, parse_turn, say
from holdfast.testing.scripted_model.rendering import Ids, render
from holdfast.testing.scripted_model.script import Pacing, Text, Thinking, ToolUse
from holdfast.testing.scripted_model.sse import content_frames
from holdfast.testing.scripted_model.tokenizer import cut_to_tokens, text_tokens

BASE = {
    "model": "claude-opus-5-5",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "x"}],
}


def post(server, body, headers=None, path="/v1/messages"):
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    defaults = {"x-api-key": "key", "anthropic-version": "2023-06-01"}
    given_headers = {k: v for k, v in {**defaults, **(headers or {})}.items() if v}
    request = urllib.request.Request(server.url + path, sent, given_headers)
    try:
        with urllib.request.urlopen(request) as reply:
            return reply.status, json.loads(reply.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


@pytest.fixture(scope="module")
def server():
    with ScriptedModel([say("one two three four five six seven")]) as running:
        yield running


CALLED = {
    "role": "assistant",
    "content": [{"type": "tool_use", "id": "t1", "name": "a", "input": {}}],
}
ANSWERED = {
    "role": "user",
    "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "y"}],
}
ASKED = {"role": "user", "content": "x"}


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"model": None}, 400, "model: Field required"),
        ({"model": "claude-nonesuch"}, 404, "model: claude-nonesuch"),
        ({"max_tokens": None}, 400, "max_tokens: Field required"),
        ({"max_tokens": -1}, 400, "max_tokens: must be greater"),
        ({"max_tokens": 10**6}, 400, "maximum allowed number of output tokens"),
        ({"messages": []}, 400, "at least one message"),
        ({"messages": [{"role": "robot", "content": "x"}]}, 400, "messages.0.role"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, 400, "first message must use"),
        ({"messages": [ASKED, CALLED, ASKED]}, 400, "`tool_use` ids were found without"),
        ({"messages": [ASKED, CALLED]}, 400, "`tool_use` ids were found without"),
        ({"messages": [ANSWERED]}, 400, "unexpected `tool_use_id`"),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, 400, "must be greater than"),
        ({"tools": [{"name": "a"}]}, 400, "input_schema"),
        ({"messages": [{"role": "user", "content": "x" * 4_100_000}]}, 400, "prompt is too long"),
    ],
)
def test_request_that_the_api_refuses_is_refused_with_its_words(server, change, status, said):
    body = {key: value for key, value in {**BASE, **change}.items() if value is not None}
    seen, reply = post(server, body)
    assert (seen, reply["type"]) == (status, "error")
    assert said in reply["error"]["message"]


@pytest.mark.parametrize(
    "change",
    [
        {"messages": [ASKED, CALLED, ANSWERED]},
        {"messages": [ASKED, CALLED, {"role": "system", "content": "s"}, ANSWERED]},
        {"thinking": {"type": "adaptive"}},
        {"a_field_of_next_year": {"x": 1}},
    ],
)
def test_request_that_the_api_takes_is_taken(server, change):
    assert post(server, {**BASE, **change})[0] == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"x-api-key": ""}, 401),
        ({"x-api-key": "other"}, 401),
        ({"x-api-key": "good"}, 200),
        ({"x-api-key": "", "authorization": "Bearer good"}, 200),
        ({"x-api-key": "other", "authorization": "Bearer good"}, 200),
        ({"x-api-key": "good", "anthropic-version": ""}, 400),
    ],
)
def test_only_a_known_key_in_either_header_is_let_in(headers, status):
    with ScriptedModel([say("x")], api_keys=frozenset({"good"})) as guarded:
        assert post(guarded, BASE, headers)[0] == status


def test_body_that_is_no_json_object_is_refused(server):
    assert post(server, b"{nope")[0] == 400
    assert post(server, b"[]")[0] == 400
    assert post(server, b"\xff")[0] == 400


def test_reply_stops_at_max_tokens_and_says_so(server):
    _, reply = post(server, {**BASE, "max_tokens": 3})
    assert reply["stop_reason"] == "max_tokens"
    assert reply["usage"]["output_tokens"] == 3
    assert reply["content"][0]["text"] == "one two thre"


def test_turn_that_does_not_honour_max_tokens_says_more_than_was_allowed():
    with ScriptedModel([say("word " * 50, honour_max_tokens=False)]) as rogue:
        _, reply = post(rogue, {**BASE, "max_tokens": 3})
    assert reply["usage"]["output_tokens"] > 3
    assert reply["stop_reason"] == "end_turn"


def test_stop_sequence_ends_the_text_before_it(server):
    _, reply = post(server, {**BASE, "stop_sequences": ["five", "three"]})
    assert reply["content"][0]["text"] == "one two "
    assert (reply["stop_reason"], reply["stop_sequence"]) == ("stop_sequence", "three")


def test_repeated_prefix_is_read_from_the_cache_of_its_key_only():
    with ScriptedModel([say("x")]) as caching:
        mark = {"type": "ephemeral"}
        system = [{"type": "text", "text": "s" * 400, "cache_control": mark}]
        hour = [{"type": "text", "text": "q" * 40, "cache_control": {**mark, "ttl": "1h"}}]
        first = {**BASE, "system": system}
        more = {**first, "messages": [{"role": "user", "content": hour}]}
        usages = [post(caching, body)[1]["usage"] for body in (first, first, more, more)]
        other = post(caching, first, {"x-api-key": "another"})[1]["usage"]
    split = [
        (u["input_tokens"], u["cache_creation"]["ephemeral_5m_input_tokens"],
         u["cache_creation"]["ephemeral_1h_input_tokens"], u["cache_read_input_tokens"])
        for u in usages
    ]  # fmt: skip
    assert split == [(1, 100, 0, 0), (1, 0, 0, 100), (0, 0, 10, 100), (0, 0, 0, 110)]
    assert other["cache_read_input_tokens"] == 0
    assert other["cache_creation_input_tokens"] == 100


def test_prompt_caching_can_be_switched_off():
    system = [{"type": "text", "text": "s" * 400, "cache_control": {"type": "ephemeral"}}]
    with ScriptedModel([say("x")], prompt_caching=False) as plain:
        usage = post(plain, {**BASE, "system": system})[1]["usage"]
    assert (usage["input_tokens"], usage["cache_creation_input_tokens"]) == (101, 0)


def test_scripted_usage_overrides_the_counted_one():
    given_usage = Usage(
        input_tokens=7, cache_creation_5m=1, cache_creation_1h=2, cache_read=3, output_tokens=9,
        server_tool_use={"web_search_requests": 4},
    )  # fmt: skip
    with ScriptedModel([say("x", usage=given_usage)]) as priced:
        usage = post(priced, BASE)[1]["usage"]
    assert usage["input_tokens"] == 7
    assert usage["cache_creation_input_tokens"] == 3
    assert usage["cache_creation"] == {
        "ephemeral_5m_input_tokens": 1,
        "ephemeral_1h_input_tokens": 2,
    }
    assert usage["cache_read_input_tokens"] == 3
    assert usage["output_tokens"] == 9
    assert usage["server_tool_use"]["web_search_requests"] == 4


def test_same_seed_gives_the_same_ids_and_no_seed_gives_others():
    def ids(**options):
        with ScriptedModel([call("t")], **options) as named:
            return [post(named, BASE)[1]["content"][0]["id"] for _ in range(2)]

    assert ids(seed="a") == ids(seed="a")
    assert len({*ids(seed="a"), *ids(), *ids()}) == 6


texts = st.text(max_size=60)
blocks = st.one_of(
    st.builds(Text, text=texts.filter(lambda text: "{{" not in text)),
    st.builds(
        Thinking, text=texts.filter(lambda text: "{{" not in text), hidden_tokens=st.integers(0, 20)
    ),
    st.builds(ToolUse, name=st.just("tool"), input=st.dictionaries(st.just("k"), st.integers())),
)


@given(st.lists(blocks, max_size=4), st.integers(1, 60), st.integers(1, 9))
def test_deltas_joined_are_the_blocks_and_never_more_than_max_tokens(spoken, max_tokens, per_delta):
    turn = Turn(blocks=tuple(spoken))
    speech = render(turn, {}, Ids("seed"), max_tokens, ())
    assert 1 <= speech.output_tokens <= max_tokens
    joined: dict[int, str] = {}
    for item in content_frames(speech.blocks, Pacing(tokens_per_delta=per_delta)):
        assert item.count(b"\n\n") == 1
        event = json.loads(item.split(b"data: ", 1)[1])
        if event["type"] == "content_block_delta":
            delta = event["delta"]
            said = delta.get("text", delta.get("thinking", delta.get("partial_json", "")))
            joined[event["index"]] = joined.get(event["index"], "") + said
    assert all(joined.get(i, "") == block.streamed for i, block in enumerate(speech.blocks))


@given(st.text(), st.integers(0, 30))
def test_cut_text_is_a_start_of_the_text_within_its_tokens(text, limit):
    cut = cut_to_tokens(text, limit)
    assert text.startswith(cut)
    assert text_tokens(cut) <= limit


def test_shorthand_and_longhand_turns_are_the_same():
    short = parse_turn({"text": "a", "tools": [{"tool": "t", "input": {"x": 1}}]})
    full = parse_turn(
        {
            "blocks": [
                {"type": "text", "text": "a"},
                {"type": "tool_use", "name": "t", "input": {"x": 1}},
            ]
        }
    )
    assert short == full
