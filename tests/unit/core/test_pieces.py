"""Results of the provider that come in pieces are read whole, by the gateway and by our own loop."""

import json

import pytest

from holdfast.core.assembled import Assembled, Assembly
from holdfast.core.history import UNREAD, result_marks, same_result
from holdfast.core.pieces import Unread, joined
from holdfast.core.stream import AnswerStream
from tests.unit.runtime.house import event, started, stopped

FOUND = [{"type": "web_search_result", "title": "A", "url": "https://a"}]


def in_pieces(content, *deltas, kind="mcp_tool_result", wide=False):
    block = {"type": kind, "tool_use_id": "m1", "content": content}
    events = [started(), event("content_block_start", index=0, content_block=block)]
    events += [event("content_block_delta", index=0, delta=delta) for delta in deltas]
    events += [event("content_block_stop", index=0), *stopped()]
    return b"".join(events) if wide else events


def read_by_the_gateway(stream):
    meter = AnswerStream(cached_1h=False)
    meter.feed(stream)
    [told] = meter.calls
    return told.answered


def shown_by_our_loop(stream):
    made = Assembly()
    made.feed(stream)
    result = made.result()
    assert isinstance(result, Assembled)
    return result.content


def text(value):
    return {"type": "text_delta", "text": value}


def json_part(value):
    return {"type": "input_json_delta", "partial_json": value}


WHOLE = [
    ("", [text("half"), text(" and half")], "half and half"),
    (None, [text("all")], "all"),
    ("begun ", [text("ended")], "begun ended"),
    ([], [text("a"), text("b")], [{"type": "text", "text": "ab"}]),
    ([{"type": "text", "text": "a"}], [text("b")], [{"type": "text", "text": "ab"}]),
    ([], [json_part(json.dumps(FOUND)[:9]), json_part(json.dumps(FOUND)[9:])], FOUND),
    (FOUND, [json_part(json.dumps(FOUND))], FOUND * 2),
    ("old", [{"type": "x_delta", "content": "new"}], "new"),
    (FOUND, [], FOUND),
    (FOUND, [{"type": "ping_delta"}], FOUND),
]


@pytest.mark.parametrize(("content", "deltas", "whole"), WHOLE)
def test_a_result_in_pieces_is_the_whole_of_them_to_the_gateway_and_to_our_loop(
    content, deltas, whole
):
    stream = in_pieces(content, *deltas, wide=True)
    answered = read_by_the_gateway(stream)
    assert answered == {"type": "mcp_tool_result", "content": whole}
    [shown] = shown_by_our_loop(stream)
    mark = result_marks(answered)
    assert same_result(mark, shown)
    for other in ("", "half", [], [*FOUND, *FOUND, *FOUND], {"type": "text"}, "x" * 20):
        if other != whole:
            assert not same_result(mark, shown | {"content": other})


@pytest.mark.parametrize(
    ("content", "deltas"),
    [
        ([], [json_part("[{")]),
        ({"type": "error"}, [text("a")]),
        ([{"type": "web_search_result"}], [text("a")]),
        ("", [text("a"), json_part("1")]),
        ({"a": 1}, [json_part("[]")]),
        ("", [text("x" * 3_000_000)] * 3),
    ],
)
def test_pieces_that_make_no_whole_are_no_result_that_may_be_shown(content, deltas):
    stream = in_pieces(content, *deltas)
    meter = AnswerStream(cached_1h=False)
    for one in stream:
        meter.feed(one)
    [told] = meter.calls
    assert told.answered == {"type": "mcp_tool_result"}
    assert not same_result((UNREAD,), {"type": "mcp_tool_result", "content": content})
    assert not same_result((UNREAD,), {"type": "mcp_tool_result", "content": ""})
    assert shown_by_our_loop(b"".join(stream)) == []


def test_what_no_delta_touched_stays_as_it_is():
    assert joined(FOUND, ()) is FOUND
    assert isinstance(joined(7, [("text", "a")]), Unread)
