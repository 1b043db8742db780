"""Answers read whole: every figure, call and ending of each, or how the provider broke its protocol.

`streams.json` holds the events and what is read of them; it was read over when it was
written.
"""

import json
from pathlib import Path

import msgspec
import pytest

from holdfast.core import stream
from holdfast.core.metering import Metered
from holdfast.core.pieces import Unread, joined, piece_of
from holdfast.core.stream import AnswerStream, Broken, last_boundary, read_answer

GIVEN = json.loads(Path(__file__).with_name("streams.json").read_text(encoding="utf-8"))


def plain(value):
    return json.loads(msgspec.json.encode(value))


def wire(events):
    return b"".join(
        (b"event: " + name.encode() + b"\n" if name else b"")
        + b"data: "
        + (data if isinstance(data, str) else json.dumps(data)).encode()
        + b"\n\n"
        for name, data in events
    )


def read(metered, calls):
    told = plain(metered.reading()).items()
    return {
        "reading": {name: value for name, value in told if value not in ("", 0, False, [])},
        "deltas": metered.deltas,
        "torn": metered.torn,
        "calls": plain(calls),
    }


def streamed(answer):
    answer.shown()
    return {
        **read(answer.metered, answer.calls),
        "started": answer.started,
        "ended": answer.ended,
        "failed": answer.failed,
        "error": answer.error,
        "error_said": answer.error_said,
        "seen": answer.seen,
        "torn_now": list(answer.torn(over=False)),
        "torn_over": list(answer.torn(over=True)),
        "unfinished": plain(answer.unfinished()),
        "ending": answer.ending().decode(),
    }


@pytest.mark.parametrize("at", range(len(GIVEN["streams"])))
def test_a_stream_is_read_whole_or_says_what_is_broken(at):
    entry = dict(GIVEN["streams"][at])
    body = wire(entry.pop("events"))
    answer = AnswerStream(cached_1h=entry.pop("cached_1h", False))
    got = answer.feed(body)
    if isinstance(got, Broken):
        assert {"broken": got.text} == entry
        return
    assert got == body
    assert streamed(answer) == entry


@pytest.mark.parametrize("at", range(len(GIVEN["whole"])))
def test_an_answer_in_one_piece_is_read_whole(at):
    entry = dict(GIVEN["whole"][at])
    got = read_answer(json.dumps(entry.pop("body")).encode(), cached_1h=False)
    assert ({"broken": got.text} if isinstance(got, Broken) else read(*got)) == entry


def test_bytes_are_framed_on_blank_lines_of_either_kind():
    texts = [
        b"",
        b"a",
        b"a\n\n",
        b"a\n\nb",
        b"a\r\n\r\n",
        b"a\r\n\r\nb\n\nc",
        b"\n\n",
        b"a\n\nb\r\n\r\n",
    ]
    assert [last_boundary(text) for text in texts] == [0, 0, 3, 3, 5, 8, 2, 8]


def test_an_event_may_be_as_long_as_the_most_and_no_longer(monkeypatch):
    monkeypatch.setattr(stream, "_EVENT_BYTES_MAX", 10)
    answer = AnswerStream(cached_1h=False)
    assert answer.feed(b"x" * 10) == b""
    assert answer.feed(b"x") == Broken("one event is larger than 8 MiB")


def test_what_was_shown_is_ended_once_and_what_ended_is_not():
    block = {"type": "content_block_start", "index": 3, "content_block": {"type": "text"}}
    start = ["message_start", {"type": "message_start", "message": {}}]
    answer = AnswerStream(cached_1h=False)
    assert answer.ending() == b""
    answer.feed(wire([start]))
    assert answer.ending() == b""
    answer.shown()
    answer.feed(wire([["content_block_start", block]]))
    assert b"content_block_stop" not in answer.ending()
    assert answer.ending() == b""
    late = AnswerStream(cached_1h=False)
    late.feed(wire([start, ["message_stop", {"type": "message_stop"}]]))
    late.shown()
    assert late.ending() == b""
    failed = AnswerStream(cached_1h=False)
    failed.feed(wire([start, ["error", {"type": "error"}]]))
    failed.shown()
    assert failed.ending() == b""


@pytest.mark.parametrize(
    ("content", "pieces", "whole"),
    [
        ("a", [], "a"),
        (None, [], None),
        (None, [("text", "a"), ("text", "b")], "ab"),
        ("x", [("text", "a")], "xa"),
        ([], [("text", "a")], [{"type": "text", "text": "a"}]),
        (
            [{"text": "p"}, {"text": "q", "k": 1}],
            [("text", "r")],
            [{"text": "p"}, {"text": "qr", "k": 1}],
        ),
        ([{"text": 5}], [("text", "r")], Unread()),
        (["x"], [("text", "r")], Unread()),
        ({}, [("text", "r")], Unread()),
        ("old", [("content", "a"), ("content", "b")], "b"),
        (None, [("partial_json", "[1,"), ("partial_json", "2]")], [1, 2]),
        ([], [("partial_json", "{}")], {}),
        ([0], [("partial_json", "[1]")], [0, 1]),
        ([0], [("partial_json", "{}")], Unread()),
        ({"a": 1}, [("partial_json", "[1]")], Unread()),
        (None, [("partial_json", "{")], Unread()),
        (None, [("text", "a"), ("content", "b")], Unread()),
        (None, [("text", "a" * (8 << 20))], "a" * (8 << 20)),
        (None, [("text", "a" * (8 << 20)), ("text", "b")], Unread()),
    ],
)
def test_a_result_of_the_provider_is_joined_from_its_pieces_or_unread(content, pieces, whole):
    assert joined(content, pieces) == whole


def test_a_piece_is_the_first_of_its_kinds_that_says_something():
    class Delta:
        text, partial_json, content = "", "p", "c"

    assert piece_of({"text": "t", "content": "c"}) == ("text", "t")
    assert piece_of({"text": "", "partial_json": 5, "content": "c"}) == ("content", "c")
    assert piece_of(Delta()) == ("partial_json", "p")
    assert piece_of({}) is None
    assert piece_of(object()) is None


def metered(*usages, cached_1h=False):
    meter = Metered(cached_1h=cached_1h)
    for usage in usages:
        meter.take(usage, final=False)
    return meter


def test_figures_are_bounded_and_names_cut():
    most = 1_000_000_000
    assert metered({"input_tokens": most}).served().unread == ()
    over = metered({"input_tokens": most + 1, "n" * 101: 1})
    assert over.usage().input_tokens == most
    assert over.served().unread == ("input_tokens", "n" * 100)
    ways = metered({"speed": "v" * 101})
    assert ways.served().premiums == (f"speed.{'v' * 94}",)
    tools = metered({"server_tool_use": {"t" * 101: most + 1}})
    assert tools.usage().server_tool_calls == {"t" * 100: most}


def test_no_more_than_twenty_doubts_ways_and_tools_are_kept_and_the_rest_is_a_doubt():
    names = [f"n{at:02}" for at in range(25)]
    assert len(metered(dict.fromkeys(names, 1)).served().unread) == 20
    ways = metered(*({"speed": name} for name in names)).served()
    assert (len(ways.premiums), ways.unread) == (20, ("speed",))
    tools = metered({"server_tool_use": dict.fromkeys(names, 1)})
    assert list(tools.usage().server_tool_calls) == names[:20]
    assert tools.served().unread == tuple(f"server_tool_use.{name}" for name in names[20:])
    again = metered({"server_tool_use": dict.fromkeys(names[:20], 1)},
                    {"server_tool_use": {names[0]: 5}})  # fmt: skip
    assert again.usage().server_tool_calls[names[0]] == 5


def test_samplings_are_read_up_to_a_thousand():
    one = {"type": "message", "input_tokens": 1}
    assert len(metered({"iterations": [one] * 1_000}).served().sampled) == 1_000
    assert metered({"iterations": [one] * 1_001}).served().unread == ("iterations",)


@pytest.mark.parametrize(
    ("reason", "torn"),
    [("end_turn", False), ("tool_use", False), ("stop_sequence", False), ("pause_turn", False),
     ("compaction", False), ("max_tokens", True), ("refusal", True), ("novel", True)],
)  # fmt: skip
def test_a_reason_to_stop_says_whether_the_answer_is_whole_and_stays_torn(reason, torn):
    meter = Metered(cached_1h=False)
    meter.stopped(None)
    assert (meter.stop_reason, meter.torn) == ("", False)
    meter.stopped(reason)
    assert (meter.stop_reason, meter.torn) == (reason, torn)
    meter.stopped("end_turn")
    assert (meter.stop_reason, meter.torn) == ("end_turn", torn)
    meter.stopped(["odd"])
    assert (meter.stop_reason, meter.torn) == ("unreadable", True)
    meter.stopped("r" * 101)
    assert meter.stop_reason == "r" * 100
