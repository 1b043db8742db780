"""An answer put together from its events: every kind of block, every way to break off."""

import json

import pytest

from holdfast.core import assembled
from holdfast.core.assembled import Assembled, Assembly, Broken

START = {
    "type": "message_start",
    "message": {"model": "opus", "usage": {"input_tokens": 3, "output_tokens": 1}},
}
STOP = {"type": "message_stop"}


def event(body, end="\n\n"):
    return f"event: {body.get('type', '')}\ndata: {json.dumps(body)}{end}".encode()


def begun(index, **block):
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index, kind, **more):
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **more}}


def closed(index):
    return {"type": "content_block_stop", "index": index}


def ends(stop="end_turn", **usage):
    return {"type": "message_delta", "delta": {"stop_reason": stop}, "usage": usage}


def result(*events, end="\n\n"):
    assembly = Assembly()
    for one in events:
        assembly.feed(one if isinstance(one, bytes) else event(one, end))
    return assembly.result()


def content(*events):
    got = result(START, *events, ends(), STOP)
    assert isinstance(got, Assembled)
    return got.content


def test_an_answer_is_its_blocks_in_order_with_what_the_provider_said_of_it():
    got = result(
        START,
        begun(1, type="text", text=""),
        begun(0, type="thinking", thinking=""),
        delta(0, "thinking_delta", thinking="h"),
        delta(0, "thinking_delta", thinking="m"),
        delta(0, "signature_delta", signature="s"),
        delta(0, "signature_delta", signature="g"),
        closed(0),
        delta(1, "text_delta", text="a"),
        delta(1, "text_delta", text="b"),
        delta(1, "citations_delta", citation={"n": 1}),
        delta(1, "citations_delta", citation={"n": 2}),
        closed(1),
        ends("tool_use", output_tokens=9, input_tokens=None),
        STOP,
    )
    assert got == Assembled(
        content=[
            {"type": "thinking", "thinking": "hm", "signature": "sg"},
            {"type": "text", "text": "ab", "citations": [{"n": 1}, {"n": 2}]},
        ],
        stop_reason="tool_use",
        usage={"input_tokens": 3, "output_tokens": 9},
        model="opus",
    )


def test_bytes_may_come_in_any_pieces_and_with_either_line_end():
    events = [START, begun(0, type="text", text=""), delta(0, "text_delta", text="x"), closed(0)]
    whole = b"".join(event(one) for one in [*events, ends(), STOP])
    expected = result(whole)
    assert isinstance(expected, Assembled)
    assembly = Assembly()
    for at in range(len(whole)):
        assembly.feed(whole[at : at + 1])
    assert assembly.result() == expected
    assert result(whole.replace(b"\n", b"\r\n")) == expected


def test_data_may_stand_on_several_lines_and_comments_say_nothing():
    split = b'data: {"type":\ndata: "message_stop"}\n\n'
    assert isinstance(result(START, b": ping\n\n", split), Assembled)


@pytest.mark.parametrize("kind", ["tool_use", "server_tool_use"])
@pytest.mark.parametrize(
    ("pieces", "given", "kept"),
    [
        (['{"a"', ": 1}"], {}, {"a": 1}),
        ([], {"b": 2}, {"b": 2}),
        (['{"a": 1}'], {"b": 2}, {"a": 1}),
        (["[1]"], {}, None),
        (['{"a'], {}, None),
        (["[" * 100_000], {}, None),
    ],
)
def test_a_call_has_its_arguments_or_is_left_out(kind, pieces, given, kept):
    begin = begun(0, type=kind, id="c", name="look", input=given)
    parts = [delta(0, "input_json_delta", partial_json=one) for one in pieces]
    whole = {"type": kind, "id": "c", "name": "look", "input": kept}
    assert content(begin, *parts, closed(0)) == ([] if kept is None else [whole])


def test_a_call_that_says_no_arguments_has_none():
    begin = begun(0, type="tool_use", id="c", name="look")
    assert content(begin, closed(0)) == [
        {"type": "tool_use", "id": "c", "name": "look", "input": {}}
    ]


def test_an_empty_text_block_is_left_out_and_others_stay():
    blocks = [
        begun(0, type="text", text=""), closed(0),
        begun(1, type="text"), closed(1),
        begun(2, type="redacted_thinking", data="d"), closed(2),
        begun(3, type="text", text="x"), closed(3),
        begun(4, type="text", text="open"),
    ]  # fmt: skip
    assert content(*blocks) == [
        {"type": "redacted_thinking", "data": "d"},
        {"type": "text", "text": "x"},
        {"type": "text", "text": "open"},
    ]


def test_a_result_of_the_provider_is_joined_from_its_pieces():
    begin = begun(0, type="advisor_tool_result", tool_use_id="t", content={"text": "a"})
    assert content(begin, closed(0)) == [begin["content_block"]]
    text = delta(0, "text_delta", text="never mind")
    assert all("never mind" not in str(block) for block in content(begin, text, closed(0)))


def test_events_of_blocks_that_nobody_opened_or_without_a_number_change_nothing():
    strange = [
        delta(5, "text_delta", text="x"),
        closed(5),
        {"type": "content_block_start", "index": "0", "content_block": {"type": "text"}},
        {"type": "content_block_start"},
        {"type": "ping"},
        {"index": 0},
        begun(0, type="text", text="k"),
        delta(0, "novel_delta", text="x"),
        closed(0),
        {"type": "ping", "index": 0},
    ]
    assert content(*strange) == [{"type": "text", "text": "k"}]


@pytest.mark.parametrize(
    ("events", "code", "text"),
    [
        ([START, ends()], "upstream_unavailable", "the answer broke off before its end"),
        ([], "upstream_unavailable", "the answer broke off before its end"),
        ([b"data: {\n\n", STOP], "upstream_unavailable", "an event of the answer is no json"),
        ([b"data: \xff\n\n", STOP], "upstream_unavailable", "an event of the answer is no json"),
        (
            [{"type": "error", "error": {"type": "overloaded_error", "message": "m" * 2001}}, STOP],
            "overloaded_error",
            "m" * 2000,
        ),
        ([{"type": "error"}, STOP], "api_error", ""),
    ],
)
def test_what_broke_off_says_how_and_the_first_word_of_it_stands(events, code, text):
    late = {"type": "error", "error": {"type": "late", "message": "later"}}
    assert result(*events) == Broken(code, text)
    if events[-1:] == [STOP]:
        assert result(*events, late) == Broken(code, text)


def test_events_that_are_no_object_or_lack_their_parts_are_passed_over():
    bare = [{"type": "message_start"}, {"type": "message_delta"}, b"data: [1]\n\n", STOP]
    assert result(*bare) == Assembled(content=[], stop_reason="", usage={}, model="")
    kept = [
        START,
        ends("tool_use"),
        {"type": "message_delta", "delta": {"stop_reason": None}},
        STOP,
    ]
    got = result(*kept)
    assert isinstance(got, Assembled)
    assert got.stop_reason == "tool_use"


def test_an_event_may_be_as_large_as_the_most_and_no_larger(monkeypatch):
    monkeypatch.setattr(assembled, "_MAX_EVENT_BYTES", 8)
    fits, large = Assembly(), Assembly()
    fits.feed(b"x" * 8)
    assert fits.result() == Broken("upstream_unavailable", "the answer broke off before its end")
    large.feed(b"x" * 9)
    large.feed(event(STOP))
    assert large.result() == Broken("upstream_unavailable", "an event of the answer is too large")
