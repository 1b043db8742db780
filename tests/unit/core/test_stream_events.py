"""An answer's events one by one: what each leaves of blocks, calls and the end, and how one is cut."""

import json

import pytest

from holdfast.core.stream import (
    AnswerStream,
    Broken,
    EmittedCall,
    error_kind,
    last_boundary,
    read_answer,
)
from tests.corpora.typed import checked

MODULE = pytest.mark.parametrize("module", ["holdfast.core.stream"])


@pytest.fixture(autouse=True)
def typed(module):
    with checked(module) as wrong:
        yield
    assert wrong == []


def event(kind, **fields):
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def begun(index=0, **block):
    return event("content_block_start", index=index, content_block=block)


def delta(index=0, **fields):
    return event("content_block_delta", index=index, delta=fields)


def closed(index=0):
    return event("content_block_stop", index=index)


def stopped(reason="end_turn", tokens=5):
    return event("message_delta", delta={"stop_reason": reason}, usage={"output_tokens": tokens})


START = event(
    "message_start",
    message={"id": "m", "model": "opus", "usage": {"input_tokens": 3, "output_tokens": 1}},
)
END = event("message_stop")


def fed(*events):
    stream = AnswerStream(cached_1h=False)
    for one in events:
        assert stream.feed(one) == one
    stream.shown()
    return stream


def broken(*events):
    return AnswerStream(cached_1h=False).feed(b"".join(events))


def call(call_id="c", arguments=None, tool="look", at_server=False):
    return EmittedCall(call_id, tool, arguments, at_server)


@MODULE
def test_a_stream_begins_with_nothing_and_ends_as_it_is_told(module):
    new = AnswerStream(cached_1h=True)
    told = (new.calls, new.started, new.error, new.error_said, new.seen, new.ended, new.failed)
    assert told == ([], False, "", None, 0, False, False)
    assert (new.ending(), new.unfinished(), new.torn(over=True), new.torn(over=False)) == (
        b"",
        [],
        (),
        (),
    )
    assert new.feed(b"") == b""
    assert [fed(event("ping")).seen, fed(START).seen, fed(START, event("ping"), END).seen] == [
        0,
        1,
        2,
    ]
    whole = fed(START, stopped(), END)
    assert (whole.started, whole.ended, whole.failed, whole.ending()) == (True, True, False, b"")
    assert whole.metered.stop_reason == "end_turn"
    assert whole.metered.usage().output_tokens == 5
    for error, kind in (
        ({"type": "e"}, "e"),
        ({}, "api_error"),
        (None, "api_error"),
        ({"type": "x" * 101}, "x" * 100),
    ):
        failed = fed(START, event("error", error=error))
        assert (failed.error, failed.error_said, failed.failed, failed.ended) == (
            kind,
            error,
            True,
            False,
        )
        assert failed.ending() == b""
    assert [error_kind(one) for one in ("x", {"type": ""}, {"type": 3}, 7)] == ["api_error"] * 4


@MODULE
def test_calls_are_whole_once_their_block_is_closed(module):
    part = {"type": "input_json_delta", "partial_json": '{"a":'}
    rest = {"type": "input_json_delta", "partial_json": "1}"}
    cases = [
        ([begun(type="tool_use", id="c", name="look"), delta(**part), delta(**rest), closed()], [call(arguments={"a": 1})]),
        ([begun(type="tool_use", id="c", name="look", input={"b": 2}), closed()], [call(arguments={"b": 2})]),
        ([begun(type="tool_use", id="c", name="look"), closed()], [call(arguments={})]),
        ([begun(type="tool_use", id="c", name="look", input=[1]), closed()], [call()]),
        ([begun(type="tool_use", id="c", name="look"), delta(**part), closed()], [call()]),
        ([begun(type="server_tool_use", id="c", name="look"), closed()], [call(arguments={}, at_server=True)]),
        ([begun(type="mcp_tool_use", id=3, name=None), closed()], [call("", {}, "", at_server=True)]),
        ([begun(type="tool_use", id="c", name="look"), delta(**part)], []),
        ([begun(type="text", id="c", name="look"), closed()], []),
        ([closed(), closed("x")], []),
    ]  # fmt: skip
    assert [fed(START, *events).calls for events, _ in cases] == [calls for _, calls in cases]
    answered = {"type": "web_search_tool_result", "content": "ab"}
    result = EmittedCall("c", "", None, at_server=True, answered=answered)
    begin = begun(type="web_search_tool_result", tool_use_id="c", content="a")
    assert fed(begin, delta(type="text_delta", text="b"), closed()).calls == [result]
    bare = EmittedCall("c", "", None, at_server=True, answered={"type": "x_tool_result"})
    begin = begun(type="x_tool_result", tool_use_id="c")
    assert fed(begin, delta(partial_json="[1"), closed()).calls == [bare]
    assert fed(begun(type="text", tool_use_id="c"), closed()).calls == []
    assert fed(begun(type="x_tool_result", tool_use_id=3), closed()).calls == []
    assert fed(begun(type="tool_result_x", tool_use_id="c"), closed()).calls == []


@MODULE
def test_calls_that_may_be_torn_are_the_last_or_all(module):
    one = [begun(type="tool_use", id="a", name="n"), closed()]
    two = [*one, begun(1, type="server_tool_use", id="b", name="n"), closed(1)]
    text = [begun(2, type="text"), closed(2)]
    cases = [
        ([*two], (), ("b",)),
        ([*two, stopped("tool_use")], (), ()),
        ([*two, stopped("max_tokens")], ("b",), ("b",)),
        ([*two, *text], (), ()),
        ([*two, *text, stopped("max_tokens")], (), ()),
        ([*two, *text, stopped("refusal")], ("a", "b"), ("a", "b")),
        ([*text], (), ()),
    ]
    torn = [
        (fed(START, *events).torn(over=False), fed(START, *events).torn(over=True))
        for events, *_ in cases
    ]
    assert torn == [(now, over) for _, now, over in cases]
    opened = fed(START, begun(type="tool_use", id="a", name="n"), begun(1, type="mcp_tool_use", id="b", name="o"),
                 begun(2, type="tool_use", id=""), begun(3, type="text", id="t"))  # fmt: skip
    assert opened.unfinished() == [call("a", tool="n"), call("b", tool="o", at_server=True)]


@MODULE
def test_what_was_shown_is_ended_as_if_at_the_most_tokens(module):
    stream = AnswerStream(cached_1h=False)
    stream.feed(START + begun(1, type="text") + begun(0, type="text"))
    assert stream.ending() == b""
    stream.shown()
    closing = b"".join(
        b'event: content_block_stop\ndata: {"type":"content_block_stop","index":%d}\n\n' % at
        for at in (0, 1)
    )
    end = (
        b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"max_tokens",'
        b'"stop_sequence":null},"usage":{"output_tokens":1}}\n\n'
        b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
    )
    assert stream.ending() == closing + end
    assert stream.ending() == b""
    assert fed(START, begun(type="text"), closed()).ending() == end
    nothing = fed(event("message_start", message={"usage": {"output_tokens": 0}}))
    assert nothing.ending() == end
    assert fed(begun(type="text")).ending() == b""


@MODULE
def test_output_is_counted_by_what_is_shown(module):
    cases = [
        ([begun(type="text", text="\u00e9a")], 3, 0),
        (
            [
                begun(type="text"),
                delta(text="ab"),
                delta(thinking="\u00e9"),
                delta(partial_json="{", content="c"),
            ],
            6,
            3,
        ),
        ([begun(type="text"), delta(text=3, thinking=None)], 0, 1),
        ([begun(type="tool_use", name="n\u00e9", text="t")], 64 + 3 + 1, 0),
        ([begun(type="tool_use", name="n", input={"a": 1})], 64 + 1 + 7, 0),
        ([begun(type="text", name="n", input={"a": 1})], 0, 0),
    ]
    for events, size, deltas in cases:
        metered = fed(*events).metered
        assert (metered.output_bytes, metered.deltas, metered.opened) == (size, deltas, True)
    assert fed(START).metered.opened is False


@MODULE
def test_a_broken_protocol_is_said_and_what_nobody_knows_passes(module):
    table = [
        (begun("x", type="text"), "a content block has no index"),
        (delta(text="a"), "a content delta came without an open block"),
        (delta("0", text="a"), "a content delta came without an open block"),
        (b"event: ping\ndata: {\n\n", "an event is not valid JSON of the Messages API"),
        (b"data: {\n\n", "an event is not valid JSON of the Messages API"),
        (b"data: [1]\n\n", "an event is not valid JSON of the Messages API"),
        (b"data: {}\n\n", "an event has no type"),
        (b'data: {"type":3}\n\n', "an event has no type"),
        (event("message_start", message=3), "an event `message_start` is not one of the Messages API"),
        (event("content_block_start", index=0, content_block=[]), "an event `content_block_start` is not one of the Messages API"),
        (b"event: message_start\ndata: {}\n\n", None),
        (b"event: later\ndata: {\n\n", None),
        (b"event: later\ndata: {}\n\n", None),
        (b'data: {"type":"later"}\n\n', None),
        (b": note\n\n", None),
        (b"event: ping\n\n", None),
        (closed(), None),
    ]  # fmt: skip
    said = {body: None if isinstance(got := broken(body), bytes) else got for body, _ in table}
    said.pop(b"event: message_start\ndata: {}\n\n")
    assert said == {body: text and Broken(text) for body, text in table if body in said}


@MODULE
def test_an_event_is_read_in_any_form_that_the_standard_allows(module):
    message = b'{"type":"message_start",\ndata:"message":{"id":"m"}}'
    forms = [
        b"event: message_start\ndata: " + message,
        b"event:message_start\ndata:" + message,
        b"data:" + message + b"\nevent: message_start",
        b"id: 7\nevent: ping\nevent: message_start\ndata: " + message,
        b"event: \xff\ndata: " + message,
        b'data: {"type":"message_start","message":{"id":"m"}}',
        b'event: message_start\ndata: {"type":"x","message":{"id":"m"}}',
    ]
    for form in forms:
        for text in (form + b"\n\n", form.replace(b"\n", b"\r\n") + b"\r\n\r\n"):
            stream = fed(text)
            assert (stream.started, stream.metered.message_id, stream.seen) == (True, "m", 1), form


@MODULE
def test_only_whole_events_are_handed_on(module, monkeypatch):
    table = [
        (b"", 0), (b"a", 0), (b"\n\n", 2), (b"a\n\nb", 3), (b"a\r\n\r\nb", 5), (b"\r\n\r\n", 4),
        (b"a\n\nb\r\n\r\nc", 8), (b"a\r\n\r\nb\n\nc", 8), (b"a\n\r\n", 0),
    ]  # fmt: skip
    assert [last_boundary(text) for text, _ in table] == [end for _, end in table]
    monkeypatch.setattr("holdfast.core.stream._EVENT_BYTES_MAX", 10)
    stream = AnswerStream(cached_1h=False)
    assert [stream.feed(b":" * 6), stream.feed(b":" * 4)] == [b"", b""]
    assert stream.feed(b"\n\n: ") == b":" * 10 + b"\n\n"
    assert stream.feed(b"a" * 8) == b""
    assert stream.feed(b"a") == Broken("one event is larger than 8 MiB")
    assert AnswerStream(cached_1h=False).feed(b":" * 30 + b"\n\n") == b":" * 30 + b"\n\n"


@MODULE
def test_bedrock_counts_an_answer_once_more_at_its_end(module):
    counted = {
        "inputTokenCount": 7,
        "outputTokenCount": 8,
        "cacheReadInputTokenCount": 9,
        "cacheWriteInputTokenCount": 10,
    }
    stream = fed(START, event("message_stop", **{"amazon-bedrock-invocationMetrics": counted}))
    usage, none = stream.metered.usage(), fed(START, END).metered.usage()
    assert (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens) == (7, 8, 9)
    assert (none.input_tokens, none.output_tokens, none.cache_read_tokens) == (3, 1, 0)
    assert usage != none


@MODULE
def test_a_whole_answer_is_read_as_a_streamed_one(module):
    tool = {"type": "tool_use", "id": "c", "name": "look", "input": {"a": 1}}
    late = {**tool, "id": "d"}
    text = {"type": "text", "text": "\u00e9"}

    def read(content, reason="end_turn"):
        body = {
            "id": "m",
            "model": "o",
            "content": content,
            "stop_reason": reason,
            "usage": {"output_tokens": 4},
        }
        got = read_answer(json.dumps(body).encode(), cached_1h=False)
        assert not isinstance(got, Broken)
        return got

    metered, calls = read(
        [text, tool, {"type": "x_tool_result", "tool_use_id": "e", "content": [1]}]
    )
    answered = {"type": "x_tool_result", "content": [1]}
    assert calls == [
        call(arguments={"a": 1}),
        EmittedCall("e", "", None, at_server=True, answered=answered),
    ]
    shown = (
        metered.message_id,
        metered.stop_reason,
        metered.ended,
        metered.output_bytes,
        metered.usage().output_tokens,
    )
    assert shown == ("m", "end_turn", True, 2 + 64 + 4 + 7, 4)
    whole, lost = call(arguments={"a": 1}), call()
    both = [call("d", {"a": 1}), call("d")]
    cases = [
        ([tool, late], "tool_use", [whole, both[0]]),
        ([tool, late], "max_tokens", [whole, both[1]]),
        ([tool, late], None, [whole, both[1]]),
        ([tool, late, text], "max_tokens", [whole, both[0]]),
        ([tool, late, text], "refusal", [lost, both[1]]),
        (None, "end_turn", []),
    ]
    assert [read(content, reason)[1] for content, reason, _ in cases] == [
        found for *_, found in cases
    ]
    for bad in (b"", b"[]", b'{"content":[3]}', b'"\xff"'):
        assert read_answer(bad, cached_1h=False) == Broken(
            "the answer is not valid JSON of the Messages API"
        )
