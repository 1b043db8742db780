"""Answers on the wire: whole events only, honest meters, and a cut that every client can read."""

import json
import random
from typing import Any

import pytest
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import RawMessageStreamEvent
from pydantic import TypeAdapter

from holdfast.core.stream import AnswerStream, Broken, read_answer
from tests.unit.runtime.house import event, started, stopped, text_block, tool_block, whole_answer

EVENT = TypeAdapter(RawMessageStreamEvent)
HOSTILE = (
    'x\n\nevent: message_stop\ndata: {"type":"message_stop"}\n\n\r\n\r\n\u2028\u0085 日本 \x00'
)


def full(calls=True):
    blocks = [*text_block("hello", HOSTILE, "世界")]
    if calls:
        blocks += tool_block("t1", "look", {"order": "7", "note": HOSTILE}, index=1)
        blocks += tool_block("t2", "fetch", {}, index=2)
    return [started(), event("ping"), *blocks, *stopped(9, "tool_use")]


def feed_all(body, cuts):
    stream, out = AnswerStream(cached_1h=False), b""
    for at, end in zip([0, *cuts], [*cuts, len(body)], strict=True):
        got = stream.feed(body[at:end])
        assert isinstance(got, bytes), got
        stream.shown()
        out += got
    return stream, out


def accumulated(body):
    """What the real client makes of these bytes."""
    snapshot: Any = None
    buffers: dict[int, bytes] = {}
    for part in body.split(b"\n\n"):
        lines = [line[5:] for line in part.split(b"\n") if line.startswith(b"data:")]
        if lines:
            seen = json.loads(b"\n".join(lines))
            if seen["type"] != "ping":
                snapshot = accumulate_event(
                    event=EVENT.validate_python(seen), current_snapshot=snapshot, json_bufs=buffers
                )
    return snapshot


@pytest.mark.parametrize("crlf", [False, True])
def test_every_split_of_the_bytes_reads_the_same_and_forwards_them_untouched(crlf):
    body = b"".join(full())
    body = body.replace(b"\n", b"\r\n") if crlf else body
    whole, _ = feed_all(body, [])
    for at in range(1, len(body)):
        stream, out = feed_all(body, [at])
        assert out == body
        assert stream.calls == whole.calls
        assert stream.metered.usage() == whole.metered.usage()
        assert stream.metered.output_bytes == whole.metered.output_bytes
        assert stream.ended


def test_byte_by_byte_reads_the_same():
    body = b"".join(full())
    stream, out = feed_all(body, list(range(1, len(body))))
    assert out == body
    assert [c.call_id for c in stream.calls] == ["t1", "t2"]


def test_mixed_line_ends_forward_everything_in_the_end():
    dice = random.Random(7)
    parts = b"".join(full()).split(b"\n")
    body = b"".join(part + dice.choice([b"\n", b"\r\n"]) for part in parts[:-1])
    stream, out = feed_all(body + b"\n\n", [])
    assert stream.ended
    assert out == body + b"\n\n"


def test_only_whole_events_are_forwarded():
    body = b"".join(full())
    for at in range(1, len(body)):
        out = AnswerStream(cached_1h=False).feed(body[:at])
        assert isinstance(out, bytes)
        assert out == b"" or out.endswith(b"\n\n")
        assert body.startswith(out)


def test_text_that_imitates_events_changes_nothing():
    stream, _ = feed_all(b"".join([started(), *text_block(HOSTILE)]), [])
    assert not stream.ended
    assert stream.calls == []


def test_cut_after_any_byte_is_a_well_formed_message_at_max_tokens():
    body = b"".join(full())
    for at in range(len(started()), len(body) - len(event("message_stop"))):
        stream = AnswerStream(cached_1h=False)
        out = stream.feed(body[:at])
        assert isinstance(out, bytes)
        stream.shown()
        body_shown = out + stream.ending()
        message = accumulated(body_shown)
        assert message is not None
        assert message.stop_reason == "max_tokens"
        starts = body_shown.count(b"event: content_block_start")
        assert starts == body_shown.count(b"event: content_block_stop")
        assert b"message_stop" in body_shown[-60:]


def test_cut_continues_from_what_was_shown_not_from_what_was_read():
    stream = AnswerStream(cached_1h=False)
    head = stream.feed(started())
    assert isinstance(head, bytes)
    stream.shown()
    stream.feed(b"".join(text_block("never shown")[:2]))
    ending = stream.ending()
    assert b"content_block_stop" not in ending
    assert accumulated(head + ending).content == []


def test_cut_before_the_first_event_and_after_the_last_adds_nothing():
    stream = AnswerStream(cached_1h=False)
    stream.feed(started())
    assert stream.ending() == b""
    stream, _ = feed_all(b"".join(full()), [])
    assert stream.ending() == b""


def test_ending_is_given_once():
    stream, _ = feed_all(started(), [])
    assert stream.ending() != b""
    assert stream.ending() == b""


def test_torn_call_is_named():
    stream, _ = feed_all(
        b"".join([started(), *tool_block("t1", "fetch", {}), *stopped(5, "max_tokens")]), []
    )
    assert stream.torn(over=False) == ("t1",)
    body = b"".join(
        [
            started(),
            *tool_block("t1", "x", {}),
            *text_block("a", index=1),
            *stopped(5, "max_tokens"),
        ]
    )
    assert feed_all(body, [])[0].torn(over=True) == ()


@pytest.mark.parametrize(
    "reason",
    ["max_tokens", "model_context_window_exceeded", "refusal", "never_heard_of", 7, ""],
)
def test_every_ending_but_a_complete_one_tears_the_call_before_it(reason):
    body = [started(), *tool_block("t1", "fetch", {}), *stopped(5, reason)]
    stream, _ = feed_all(b"".join(body), [])
    assert stream.torn(over=False) == ("t1",)
    tool = {"type": "tool_use", "id": "t1", "name": "look", "input": {"order": "7"}}
    read = read_answer(whole_answer([tool], reason=reason), cached_1h=False)
    assert not isinstance(read, Broken)
    assert read[1][0].arguments is None


@pytest.mark.parametrize("reason", ["end_turn", "tool_use", "stop_sequence", "pause_turn"])
def test_complete_endings_leave_every_call_whole(reason):
    body = [started(), *tool_block("t1", "fetch", {}), *stopped(5, reason)]
    stream, _ = feed_all(b"".join(body), [])
    assert stream.torn(over=True) == ()


def test_an_answer_that_breaks_off_tears_the_call_it_broke_off_behind():
    for tail in ([], [event("error", error={"type": "overloaded_error"})]):
        body = [started(), *tool_block("t1", "fetch", {}), *tail]
        stream, _ = feed_all(b"".join(body), [])
        assert stream.torn(over=False) == ()
        assert stream.torn(over=True) == ("t1",)


def test_two_reasons_to_stop_are_complete_only_where_both_are():
    body = [started(), *tool_block("t1", "x", {}), stopped(5, "refusal")[0], *stopped(5)]
    assert feed_all(b"".join(body), [])[0].torn(over=True) == ("t1",)


def test_a_refusal_tears_every_call_of_its_answer():
    calls = [*tool_block("t1", "x", {}), *tool_block("t2", "x", {}, index=1)]
    body = [started(), *calls, *text_block("no", index=2), *stopped(5, "refusal")]
    assert feed_all(b"".join(body), [])[0].torn(over=False) == ("t1", "t2")


def test_a_stop_of_a_block_that_nobody_opened_hides_no_torn_call():
    stray = event("content_block_stop", index=9)
    body = [started(), *tool_block("t1", "x", {}), stray, *stopped(5, "max_tokens")]
    assert feed_all(b"".join(body), [])[0].torn(over=True) == ("t1",)


UNKNOWN = [
    b'event: vendor_note\ndata: {"type":"vendor_note","message":"hello","delta":"x"}\n\n',
    b"event: vendor_note\ndata: not json at all\n\n",
    b'data: {"type":"vendor_note","index":"first","usage":"much","content_block":[]}\n\n',
    b"event: vendor_note\ndata: [1]\n\n",
    b": a comment\n\n",
]


@pytest.mark.parametrize("strange", UNKNOWN)
def test_events_that_nobody_knows_pass_and_change_nothing(strange):
    body = full()
    plain, _ = feed_all(b"".join(body), [])
    mixed = b"".join(piece + strange for piece in body)
    stream, out = feed_all(mixed, [])
    assert out == mixed
    assert stream.ended
    assert stream.calls == plain.calls
    assert stream.metered.reading() == plain.metered.reading()


@pytest.mark.parametrize("text", [None, 3, {}, ["x"]])
def test_text_that_is_none_does_not_break_the_answer(text):
    block = {"type": "text", "text": text, "citations": None}
    delta = {"type": "text_delta", "text": text}
    body = [
        started(),
        event("content_block_start", index=0, content_block=block),
        event("content_block_delta", index=0, delta=delta),
        event("content_block_stop", index=0),
        *stopped(),
    ]
    stream, out = feed_all(b"".join(body), [])
    assert stream.ended
    assert out == b"".join(body)
    whole = read_answer(whole_answer([block]), cached_1h=False)
    assert not isinstance(whole, Broken)


@pytest.mark.parametrize("partial", ['{"a": ', "[1]", '"x"', "{}}", "nul"])
def test_arguments_that_are_no_object_are_none(partial):
    block = {"type": "tool_use", "id": "t", "name": "x", "input": {}}
    delta = {"type": "input_json_delta", "partial_json": partial}
    body = b"".join(
        [
            started(),
            event("content_block_start", index=0, content_block=block),
            event("content_block_delta", index=0, delta=delta),
            event("content_block_stop", index=0),
        ]
    )
    assert feed_all(body, [])[0].calls[0].arguments is None


@pytest.mark.parametrize(
    "body",
    [
        b"data: {\n\n",
        b"data: [1]\n\n",
        b'data: {"no": "type"}\n\n',
        b'data: {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta"}}\n\n',
        b'data: {"type":"ping"}\rdata: {"type":"message_stop"}\n\n',
        b"data: \xff\n\n",
        b"data: " + b"x" * (8 * 1024 * 1024 + 1),
    ],
)
def test_broken_protocol_is_a_value(body):
    assert isinstance(AnswerStream(cached_1h=False).feed(body), Broken)


def test_error_event_marks_the_stream_as_failed():
    error = event("error", error={"type": "overloaded_error", "message": "x"})
    stream, _ = feed_all(started() + error, [])
    assert stream.failed
    assert stream.ending() == b""


def test_calls_without_arguments_still_count_as_output():
    tools = [part for n in range(100) for part in tool_block(f"t{n}", "look", {}, index=n)]
    stream, _ = feed_all(b"".join([started(), *tools]), [])
    assert stream.metered.output_bytes >= 100 * 50


def test_bytes_are_counted_as_utf8():
    stream, _ = feed_all(b"".join([started(), *text_block("日本")]), [])
    assert stream.metered.output_bytes == 6


USAGE = {"input_tokens": 3, "output_tokens": 4, "cache_read_input_tokens": 5}


@pytest.mark.parametrize(
    ("more", "hour", "expected"),
    [
        ({}, False, (3, 5, 0, 0, 4)),
        ({"cache_creation_input_tokens": 7}, False, (3, 5, 7, 0, 4)),
        ({"cache_creation_input_tokens": 7}, True, (3, 5, 0, 7, 4)),
        (
            {
                "cache_creation_input_tokens": 7,
                "cache_creation": {
                    "ephemeral_5m_input_tokens": 2,
                    "ephemeral_1h_input_tokens": 5,
                },
            },
            True,
            (3, 5, 2, 5, 4),
        ),
        ({"input_tokens": -3}, False, (0, 5, 0, 0, 4)),
        ({"output_tokens": 10**30}, False, (3, 5, 0, 0, 10**9)),
        ({"cache_creation": None, "server_tool_use": None}, False, (3, 5, 0, 0, 4)),
    ],
)
def test_usage_is_read_in_every_form(more, hour, expected):
    message = json.loads(whole_answer()) | {"usage": USAGE | more}
    read = read_answer(json.dumps(message).encode(), cached_1h=hour)
    assert not isinstance(read, Broken)
    got = read[0].usage()
    assert (
        got.input_tokens,
        got.cache_read_tokens,
        got.cache_write_5m_tokens,
        got.cache_write_1h_tokens,
        got.output_tokens,
    ) == expected


def test_server_tool_requests_are_read_and_later_usage_replaces_earlier():
    last = {"output_tokens": 40, "server_tool_use": {"web_search_requests": 2}}
    body = [started(input_tokens=10), event("message_delta", delta={}, usage=last)]
    stream, _ = feed_all(b"".join(body), [])
    assert stream.metered.usage().server_tool_calls == {"web_search": 2}
    assert stream.metered.usage().input_tokens == 10
    assert stream.metered.usage().output_tokens == 40
    assert stream.metered.final


def test_whole_answer_names_its_calls_and_a_torn_one_has_no_arguments():
    tool = {"type": "tool_use", "id": "t1", "name": "look", "input": {"order": "7"}}
    for reason, arguments in (("tool_use", {"order": "7"}), ("max_tokens", None)):
        read = read_answer(whole_answer([tool], reason=reason), cached_1h=False)
        assert not isinstance(read, Broken)
        assert read[1][0].arguments == arguments


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"content": 3}', b'{"content": ["x"]}'])
def test_whole_answer_that_is_no_message_is_broken(body):
    assert isinstance(read_answer(body, cached_1h=False), Broken)


def test_calls_that_run_at_the_provider_are_marked():
    block = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"q": "x"}}
    read = read_answer(whole_answer([block]), cached_1h=False)
    assert not isinstance(read, Broken)
    assert read[1][0].at_server


def test_arguments_nested_without_end_are_of_no_call_that_can_be_permitted():
    deep = '{"a":' * 2_000 + "1" + "}" * 2_000
    stream = AnswerStream(cached_1h=False)
    body = {"type": "tool_use", "id": "t1", "name": "look", "input": {}}
    delta = {"type": "input_json_delta", "partial_json": deep}
    for name, fields in (
        ("content_block_start", {"index": 0, "content_block": body}),
        ("content_block_delta", {"index": 0, "delta": delta}),
        ("content_block_stop", {"index": 0}),
    ):
        data = json.dumps({"type": name, **fields})
        assert isinstance(stream.feed(f"event: {name}\ndata: {data}\n\n".encode()), bytes)
    (call,) = stream.calls
    assert call.arguments is None
