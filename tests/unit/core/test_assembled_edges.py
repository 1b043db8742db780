"""An answer put together: what each event leaves, whatever of it is missing."""

import json

import pytest

from holdfast.core.assembled import Assembled, Assembly, Broken
from tests.corpora.typed import checked

MODULE = pytest.mark.parametrize("module", ["holdfast.core.assembled"])
STOP = b'data: {"type":"message_stop"}\n\n'
LARGE = Broken("upstream_unavailable", "an event of the answer is too large")


@pytest.fixture(autouse=True)
def typed(module):
    with checked(module) as wrong:
        yield
    assert wrong == []


def result(*chunks):
    made = Assembly()
    for one in chunks:
        made.feed(one if isinstance(one, bytes) else b"data: " + json.dumps(one).encode() + b"\n\n")
    return made.result()


def whole(*chunks):
    return result(*chunks, STOP)


def answer(content=(), stop="", usage=None, model=""):
    return Assembled(content=list(content), stop_reason=stop, usage=usage or {}, model=model)


def started(**message):
    return {"type": "message_start", "message": message}


def changed(delta=None, usage=None):
    return {"type": "message_delta", "delta": delta, "usage": usage}


def block(at, *deltas, **begun):
    return [
        {"type": "content_block_start", "index": at, "content_block": begun},
        *({"type": "content_block_delta", "index": at, "delta": one} for one in deltas),
        {"type": "content_block_stop", "index": at},
    ]


@MODULE
def test_model_usage_and_stop_are_as_they_were_last_said(module):
    assert result() == Broken("upstream_unavailable", "the answer broke off before its end")
    assert whole() == answer()
    assert whole(started()) == answer()
    assert whole({"type": "message_start"}, {"type": "message_delta"}) == answer()
    assert whole(started(model="opus", usage={"a": 1, "b": None})) == answer(
        model="opus", usage={"a": 1, "b": None}
    )
    got = whole(
        started(model="opus", usage={"a": 1, "b": 2}),
        changed({"stop_reason": "x"}, {"a": 3, "b": None, "c": 0}),
    )
    assert got == answer(model="opus", stop="x", usage={"a": 3, "b": 2, "c": 0})
    assert whole(
        changed({"stop_reason": "x"}), changed({"stop_reason": None}), changed({})
    ) == answer(stop="x")


@MODULE
def test_an_error_event_ends_it_with_what_it_says(module):
    table = [
        ({"type": "overloaded_error", "message": "m"}, Broken("overloaded_error", "m")),
        ({"type": "e", "message": "m" * 2_001}, Broken("e", "m" * 2_000)),
        ({"message": "m"}, Broken("api_error", "m")),
        ({"type": "e"}, Broken("e", "")),
        (None, Broken("api_error", "")),
    ]
    for error, said in table:
        assert result({"type": "error", "error": error}, STOP) == said
    assert result({"type": "error"}, {"type": "error", "error": {"type": "e"}}) == Broken(
        "api_error", ""
    )
    assert result(STOP, {"type": "error"}) == Broken("api_error", "")
    no_json = Broken("upstream_unavailable", "an event of the answer is no json")
    for bad in (b"data: {\n\n", b'data: "\xff"\n\n', b"data: " + b"[" * 100_000 + b"\n\n"):
        assert result(bad, STOP) == no_json
    assert whole([1], 2, None, {"type": 3}, {}, {"type": "ping"}) == answer()


@MODULE
def test_events_end_at_a_blank_line_however_they_come(module):
    start = b'event: x\ndata: {"type":"message_start",\ndata:  "message":{"model":"m"}}'
    for end in (b"\n\n", b"\r\n\r\n"):
        text = b"\n\n" + start.replace(b"\n", end[: len(end) // 2]) + end + b": note" + end
        assert result(text + STOP) == answer(model="m")
    assert result(*[bytes([one]) for one in start + b"\n\n" + STOP]) == answer(model="m")
    assert result(STOP[:-1]) == Broken(
        "upstream_unavailable", "the answer broke off before its end"
    )
    assert result(b"\n" + b"\n" + STOP) == answer()


@MODULE
def test_an_event_is_no_larger_than_the_most(module, monkeypatch):
    monkeypatch.setattr("holdfast.core.assembled._MAX_EVENT_BYTES", 100)
    assert result(b":" * 100, b"\n\n" + STOP) == answer()
    assert result(b":" * 101, b"\n\n" + STOP) == LARGE
    assert result(b":" * 101) == result(b":" * 60, b":" * 60, STOP) == LARGE
    assert result(STOP * 50) == answer()


@MODULE
def test_each_delta_adds_to_its_block(module):
    text = {"type": "text_delta", "text": "a"}
    cite = {"type": "citations_delta", "citation": {"n": 1}}
    cases = [
        (block(0, text, text, type="text"), [{"type": "text", "text": "aa"}]),
        (block(0, text, type="text", text="b"), [{"type": "text", "text": "ba"}]),
        (block(0, {"type": "text_delta"}, text, type="text"), [{"type": "text", "text": "a"}]),
        (block(0, type="text", text=""), []),
        (block(0, type="text"), []),
        (block(0, type="thinking", thinking=""), [{"type": "thinking", "thinking": ""}]),
        (
            block(0, {"type": "thinking_delta", "thinking": "t"}, {"type": "thinking_delta"},
                  {"type": "signature_delta", "signature": "s"}, {"type": "signature_delta"}, type="thinking"),
            [{"type": "thinking", "thinking": "t", "signature": "s"}],
        ),
        (block(0, text, cite, cite, type="text"), [{"type": "text", "text": "a", "citations": [{"n": 1}] * 2}]),
        (block(0, {"type": "citations_delta"}, text, type="text"), [{"type": "text", "text": "a", "citations": [None]}]),
        (block(0, {"type": "later_delta", "text": "x"}, text, type="text"), [{"type": "text", "text": "a"}]),
        ([*block(1, text, type="text"), *block(0, type="x")], [{"type": "x"}, {"type": "text", "text": "a"}]),
        (block("0", text, type="text"), []),
        (block(0)[1:], []),
        ([{"type": "content_block_delta", "index": 0, "delta": text}], []),
        ([{"type": "content_block_start", "index": 0}], []),
        ([block(0, type="x")[0], {"type": "content_block_delta", "index": 0}], [{"type": "x"}]),
        ([block(0, type="x")[0], {"type": "content_block_later", "index": 0}], [{"type": "x"}]),
    ]  # fmt: skip
    assert [whole(*events) for events, _ in cases] == [answer(content) for _, content in cases]


@MODULE
def test_a_call_has_a_whole_object_of_arguments_or_is_left_out(module):
    def pieces(*texts):
        return [{"type": "input_json_delta", "partial_json": one} for one in texts]

    for kind in ("tool_use", "server_tool_use"):
        cases = [
            (block(0, *pieces('{"a":', "1}"), type=kind, id="c", input={}), [{"type": kind, "id": "c", "input": {"a": 1}}]),
            (block(0, type=kind, input={"b": 2}), [{"type": kind, "input": {"b": 2}}]),
            (block(0, *pieces("", ""), type=kind), [{"type": kind, "input": {}}]),
            (block(0, {"type": "input_json_delta"}, *pieces("{}"), type=kind), [{"type": kind, "input": {}}]),
            (block(0, *pieces('{"a":1'), type=kind, input={}), []),
            (block(0, *pieces("[1]"), type=kind, input={}), []),
            (block(0, *pieces("[" * 100_000), type=kind), []),
            (block(0, type=kind, input=None), []),
        ]  # fmt: skip
        assert [whole(*events) for events, _ in cases] == [answer(content) for _, content in cases]
    other = block(0, *pieces('{"a":1}'), type="mcp_tool_use", input={})
    assert whole(*other) == answer([{"type": "mcp_tool_use", "input": {}}])


@MODULE
def test_a_result_of_the_provider_is_joined_from_its_pieces(module):
    kind = "web_search_tool_result"
    cases = [
        (
            block(0, {"text": "a"}, {"text": "b"}, type=kind, content="c"),
            [{"type": kind, "content": "cab"}],
        ),
        (block(0, {"partial_json": "[1]"}, type=kind), [{"type": kind, "content": [1]}]),
        (block(0, {"partial_json": "[1"}, type=kind), []),
        (
            block(0, {"type": "text_delta"}, type=kind, content="c"),
            [{"type": kind, "content": "c"}],
        ),
        (
            block(0, {"type": "text_delta", "text": "a"}, type=f"{kind}x"),
            [{"type": f"{kind}x", "text": "a"}],
        ),
    ]
    assert [whole(*events) for events, _ in cases] == [answer(content) for _, content in cases]
