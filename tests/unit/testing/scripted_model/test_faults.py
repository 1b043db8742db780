"""A misbehaving upstream, seen byte by byte, and what is recorded of a client that leaves."""

import http.client
import json
import socket
import time
import urllib.request
from typing import Any

import pytest

from holdfast.testing.scripted_model import ScriptedModel, Turn, as_script, create_app

TEXT = "the quick brown fox says caf\u00e9 and \u65e5\u672c\u8a9e to you all"


def open_stream(server, *, stream=True, text="x"):
    body = json.dumps(
        {
            "model": "claude-opus-5-5",
            "max_tokens": 900,
            "stream": stream,
            "messages": [{"role": "user", "content": text}],
        }
    ).encode()
    host, port = server.url.removeprefix("http://").split(":")
    conn = socket.create_connection((host, int(port)), timeout=10)
    head = f"POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: k\r\nanthropic-version: 1\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    conn.sendall(head.encode() + body)
    return conn


def read_all(conn):
    """Chunks of the body, and whether it ended as HTTP says it must."""
    raw = b""
    with conn:
        while got := conn.recv(65536):
            raw += got
    head, _, rest = raw.partition(b"\r\n\r\n")
    chunks: list[bytes] = []
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        if length == 0:
            return head, chunks, True
        chunks.append(rest[:length])
        rest = rest[length + 2 :]
    return head, chunks, False


def broken(fault):
    with ScriptedModel([{"text": TEXT, "fault": fault}]) as server:
        return read_all(open_stream(server))


def events(body):
    return [
        json.loads(part.split(b"data: ", 1)[1])
        for part in body.replace(b"\r\n", b"\n").split(b"\n\n")
        if b"data: " in part
    ]


def said(body):
    return "".join(
        e["delta"].get("text", "") for e in events(body) if e["type"] == "content_block_delta"
    )


def test_good_stream_has_one_chunk_an_event_in_the_order_of_the_api():
    head, chunks, ended = broken({})
    kinds = [event["type"] for event in events(b"".join(chunks))]
    assert ended
    assert b"text/event-stream" in head
    assert b"anthropic-ratelimit-requests-remaining" in head
    assert len(chunks) == len(kinds)
    assert kinds[:3] == ["message_start", "content_block_start", "ping"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert said(b"".join(chunks)) == TEXT


@pytest.mark.parametrize("kind", ["split_utf8", "crlf", "byte_by_byte"])
def test_odd_framing_still_carries_the_whole_message(kind):
    _, chunks, ended = broken({"broken_sse": kind})
    assert ended
    assert said(b"".join(chunks)) == TEXT


def test_byte_by_byte_sends_one_byte_a_chunk():
    _, chunks, _ = broken({"broken_sse": "byte_by_byte"})
    assert {len(chunk) for chunk in chunks} == {1}


def test_split_character_stands_in_two_chunks():
    _, chunks, _ = broken({"broken_sse": "split_utf8"})
    assert any(chunk[-1] >= 0xC0 for chunk in chunks)


@pytest.mark.parametrize(
    ("kind", "missing"),
    [
        ("half_event", "message_stop"),
        ("missing_message_stop", "message_stop"),
        ("error_event", "message_delta"),
    ],
)
def test_cut_short_stream_lacks_its_end_but_is_whole_http(kind, missing):
    _, chunks, ended = broken({"broken_sse": kind})
    assert ended
    assert f'"{missing}"'.encode() not in b"".join(chunks)


def test_truncated_character_ends_the_body_in_its_middle():
    _, chunks, _ = broken({"broken_sse": "truncated_utf8"})
    with pytest.raises(UnicodeDecodeError):
        b"".join(chunks).decode()


def test_error_event_has_the_envelope_of_an_overload():
    _, chunks, _ = broken({"broken_sse": "error_event"})
    assert chunks[-1].startswith(b"event: error\n")
    assert json.loads(chunks[-1].split(b"data: ")[1])["error"]["type"] == "overloaded_error"


def test_invalid_json_and_missing_usage_are_as_named():
    _, chunks, _ = broken({"broken_sse": "invalid_json"})
    with pytest.raises(json.JSONDecodeError):
        events(b"".join(chunks))
    _, chunks, _ = broken({"broken_sse": "no_usage"})
    assert b'"usage"' not in b"".join(chunks)


@pytest.mark.parametrize("stream", [True, False])
def test_closed_connection_ends_the_body_too_early(stream):
    with ScriptedModel([{"text": TEXT, "fault": {"close_after_events": 5}}]) as server:
        raw = b""
        with open_stream(server, stream=stream) as conn:
            while got := conn.recv(65536):
                raw += got
    assert raw.startswith(b"HTTP/1.1 200")
    assert not raw.endswith(b"0\r\n\r\n")
    assert b'"stop_reason"' not in raw or b"message_delta" not in raw


def test_slow_bytes_arrive_in_small_pieces_and_whole():
    _, chunks, ended = broken({"slow_bytes": 64, "slow_interval_ms": 0.1})
    assert ended
    assert max(map(len, chunks)) == 64
    assert said(b"".join(chunks)) == TEXT


def test_abandoned_stream_is_recorded_as_left_by_its_client():
    with ScriptedModel([{"text": TEXT, "fault": {"hang_after_events": 4}}]) as server:
        conn = open_stream(server)
        server.log.wait_for(lambda seen: bool(seen) and seen[0].events_sent == 4)
        before = time.monotonic()
        conn.close()
        server.log.wait_for(lambda seen: seen[0].client_disconnected_at is not None)
        record = server.requests[0]
    assert record.client_disconnected_at is not None
    assert record.client_disconnected_at >= before
    assert record.finished_at is None
    assert record.events_sent == 4


def test_client_that_leaves_before_the_headers_is_recorded_too():
    with ScriptedModel([{"text": TEXT, "fault": {"hang_before_headers_s": 60}}]) as server:
        conn = open_stream(server)
        server.log.wait_for(lambda seen: bool(seen) and seen[0].scenario is not None)
        conn.close()
        server.log.wait_for(lambda seen: seen[0].client_disconnected_at is not None)
        assert server.requests[0].first_byte_at is None


def test_client_that_read_everything_is_not_recorded_as_leaving():
    with ScriptedModel([{"text": TEXT, "pacing": {"event_interval_ms": 0.2}}]) as server:
        read_all(open_stream(server))
        server.log.wait_for(lambda seen: seen[0].finished_at is not None)
        record = server.requests[0]
    assert record.client_disconnected_at is None
    times: list[Any] = [record.started_at, record.first_byte_at, record.finished_at]
    assert times == sorted(times)


def test_faults_follow_one_another_for_as_long_as_each_lasts():
    faults = [{"status": 529, "times": 1}, {"status": 500, "times": 2}]
    with ScriptedModel([{"text": TEXT, "faults": faults}]) as server:
        for _ in range(4):
            read_first(server)
        assert [record.status for record in server.requests] == [529, 500, 500, 200]
        read_first(server, text="another conversation")
        assert server.requests[-1].status == 529


def read_first(server, text="x"):
    with open_stream(server, stream=False, text=text) as conn:
        while conn.recv(65536):
            pass


def test_open_streams_do_not_keep_a_server_from_closing():
    server = ScriptedModel([{"text": TEXT, "fault": {"hang_after_events": 2}}])
    with open_stream(server):
        server.log.wait_for(lambda seen: bool(seen) and seen[0].events_sent == 2)
        server.close()
        server.close()
    assert not server._thread.is_alive()


def test_app_can_be_embedded_with_its_state_at_hand():
    app = create_app(as_script([Turn()]))
    assert app.state.log.requests == []
    assert app.state.playback.script.scenarios[0].name == "default"


def test_thread_whose_continuation_broke_off_may_be_continued_again():
    headers = {
        "x-api-key": "k",
        "anthropic-version": "1",
        "anthropic-beta": "message-threads-2026-08-12",
    }
    base = {
        "model": "claude-opus-5-5",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "x"}],
    }

    def ask(server, thread):
        body = json.dumps({**base, "thread": thread}).encode()
        return urllib.request.urlopen(
            urllib.request.Request(server.url + "/v1/messages", body, headers)
        )

    with ScriptedModel(
        ["one", {"text": "two", "fault": {"close_after_events": 1, "times": 1}}]
    ) as server:
        with ask(server, {"type": "create"}) as reply:
            onward = {"type": "continue", "previous_message_id": json.loads(reply.read())["id"]}
        with pytest.raises(http.client.IncompleteRead), ask(server, onward) as reply:
            reply.read()
        server.log.wait_for(lambda seen: seen[-1].finished_at is not None)
        with ask(server, onward) as reply:
            assert json.loads(reply.read())["content"][0]["text"] == "two"
