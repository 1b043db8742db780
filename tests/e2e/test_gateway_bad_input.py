"""What clients and providers get wrong at the model's door: a typed refusal, nothing allowed, no harm."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from holdfast.testing.project import SETTINGS, RunningProject
from tests.served import (
    BASH,
    OUT,
    VERSION,
    answered,
    ask,
    body,
    emitted,
    events,
    fresh_user,
    no_hold_left,
    refused,
    result,
    unharmed,
    until,
    usd,
)

LOST = '\n  lost: {base_url: "http://127.0.0.1:9", api_key_env: SCRIPTED_UPSTREAM_KEY}\ndefaults:'
AGENTS = """
  stray: {model: claude-opus-5-5, upstream: lost, tools: [Bash]}
  rich: {model: claude-opus-5-5, tools: [Bash, lookup], limits: {usd: 500}}
  brisk: {model: claude-opus-5-5, tools: [Bash], loop: {turn_timeout_s: 3}}
tools:
"""

# Each test is to see the provider's fault itself, whatever the others did to it before.
PATIENT = "retries: {attempts: 0}, breaker: {failures: 1000}"


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Iterator[RunningProject]:
    settings = (
        SETTINGS.replace("_KEY}", f"_KEY, silence_timeout_s: 1.5, {PATIENT}}}")
        .replace("\ndefaults:", LOST)
        .replace("users: {", "users: {rich: {roles: [support], limits: {usd: none}}, ")
        .replace("\ntools:\n", AGENTS)
    )
    with RunningProject(tmp_path_factory.mktemp("p"), settings=settings) as running:
        yield running


@pytest.fixture
def session(project):
    return project.open(user=fresh_user())


# --- bodies -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"\xff\xfe{}",
        b"\xef\xbb\xbf{}",
        b'{"model": "\xc3"}',
        b'{"a":' * 200 + b"1" + b"}" * 200,
        b"[" * 100_000,
        b'{"model":"a","model":"b","max_tokens":1,"messages":[]}',
        b'{"model":"claude-opus-5-5","max_tokens":1,"messages":[{"role":"user","role":"user"}]}',
        b'{"model":"claude-opus-5-5","max_tokens":NaN,"messages":[]}',
        b'{"model":"claude-opus-5-5","max_tokens":1e999,"messages":[]}',
        b'{"model":"claude-opus-5-5","max_tokens":1,"messages":[],"x":"\\ud800"}',
        b'{"model":"claude-opus-5-5","max_tokens":' + b"9" * 5000 + b',"messages":[]}',
        b"\x1f\x8b\x08\x00" + b"\x00" * 20,
    ],
    ids=lambda raw: repr(raw[:24]),
)
def test_a_body_without_exactly_one_reading_is_refused(project, session, raw):
    before = len(project.model.requests)
    reply = ask(project, session, raw, headers={"content-type": "application/json"})
    refused(reply, 400, "invalid_request_error")
    assert reply.headers["x-should-retry"] == "false"
    assert len(project.model.requests) == before
    unharmed(project, session)


def wrong(field: str, *values: Any) -> list[tuple[str, Any]]:
    return [(field, value) for value in values]


def typed(*values: Any) -> tuple[Any, ...]:
    return values


def inline(kind: str) -> dict[str, Any]:
    """A message that defines a tool of the provider, as the API lets a conversation do."""
    definition = {"type": kind, "name": kind.rpartition("_")[0]}
    tool = {"type": "tool_definition", "definition": definition}
    return {"role": "system", "content": [{"type": "tool_addition", "tool": tool}]}


def said(*blocks: Any) -> list[Any]:
    return [[{"role": "user", "content": [block]}] for block in blocks]


WRONG = [
    *wrong("model", None, 1, "", [], {"a": 1}, True),
    *wrong("max_tokens", None, -1, "100", 1.5, True, [], {}),
    *wrong("stream", 1, "true", []),
    *wrong("messages", None, 1, "hi", {}, [1], [None], [[]]),
    *wrong("messages", *[[{"role": "user", "content": v}] for v in typed(1, True, {})]),
    *wrong(
        "messages",
        *said(
            "x",
            1,
            {"type": "tool_result"},
            {"type": "mcp_tool_result"},
            {"type": "tool_result", "tool_use_id": 1},
            {"type": "tool_result", "tool_use_id": ""},
            {"type": "tool_result", "tool_use_id": None},
            {"type": 1, "tool_use_id": "a"},
            {"tool_use_id": "a"},
            {"type": "tool_result", "tool_use_id": "a", "is_error": "false"},
            {"type": "tool_result", "tool_use_id": "a", "is_error": 0},
            {"type": "novel_block"},
            {"type": "text", "text": "x", "novel": 1},
            {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "novel_block"}]},
        ),
    ),
    *wrong("thinking", 1, "on", [], True),
    *wrong("thinking", *[{"type": "enabled", "budget_tokens": v} for v in typed("1", -1, 1.5)]),
    *wrong("thread", 1, "x", [], {"type": "continue"}),
    *wrong("thread", *[{"type": "continue", "previous_message_id": v} for v in typed(1, "a")]),
    *wrong("tools", 1, "Bash", {}, [1], ["Bash"], [[]]),
    *wrong("tools", *[[{"name": "Bash", "type": v}] for v in typed(1, [], True)]),
    *wrong("tools", *[[{"name": v}] for v in typed(1, [], None)]),
    *wrong("service_tier", 1, "priority", []),
    *wrong("speed", "fast", 1),
    *wrong("inference_geo", "mars", []),
    *wrong("context_management", 1, {"edits": 1}, {"edits": [{"type": "compact"}]}),
    *wrong("container", 1, {"network": "open"}),
    *wrong("novel", 1, {}),
    *wrong("metadata", {"novel": 1}),
    *wrong("billing_policy", {"type": "billing_policy", "bill_to": "user_profile"}),
    *wrong("user_profile_id", "u"),
    *wrong("workspace_id", "w"),
    *wrong("fallbacks", "default", [{"model": "claude-opus-5-5", "tools": []}]),
    *wrong("cache_control", {"type": "ephemeral", "ttl": "24h"}),
    *wrong("messages", *[[{"role": r, "content": "x"}] for r in typed("tool", "developer", None)]),
    *wrong(
        "messages",
        [
            {
                "role": "system",
                "content": [{"type": "tool_result", "tool_use_id": "a", "content": "x"}],
            }
        ],
    ),
    *wrong("tools", [{"type": "novel_20990101", "name": "x"}]),
    *wrong("tools", [{"type": "web_search_20250305", "name": "Bash", "max_uses": 1}]),
]


@pytest.mark.parametrize(("field", "value"), WRONG, ids=lambda value: json.dumps(value)[:60])
def test_a_wrong_type_in_any_field_that_is_read_is_refused(project, session, field, value):
    before = len(project.model.message_requests)
    reply = ask(project, session, body({"text": "x"}) | {field: value})
    error = refused(reply, 400, "invalid_request_error")
    assert len(error["message"]) < 400
    assert len(project.model.message_requests) == before
    assert project.view(session.session_id)["state"] == "active"
    no_hold_left(project, session)


@pytest.mark.parametrize("tools", [[], None, [{"name": "x", "type": None}]])
def test_no_tools_said_in_any_way_are_no_tools(project, session, tools):
    reply = ask(project, session, body({"text": "ok"}, tools=tools))
    assert reply.status in (200, 400), reply.body
    no_hold_left(project, session)


def test_ten_thousand_tools_pass(project):
    session = project.open(agent="rich", user="rich")
    tools = [
        {"name": f"t{n}", "description": "d", "input_schema": {"type": "object"}}
        for n in range(10_000)
    ]
    reply = ask(project, session, body({"text": "ok"}, tools=tools))
    assert reply.status == 200, reply.body[:300]
    assert len(project.model.message_requests[-1].json["tools"]) == 10_000
    unharmed(project, session)


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens", "/v1/guard/decide"])
def test_a_body_said_to_be_100_mb_is_refused_before_it_is_sent(project, session, path):
    head = _head(path, session.token, f"content-length: {100 * 1024 * 1024}")
    with _dialled(project) as line:
        line.sendall(head)
        assert b" 413 " in line.recv(65536).split(b"\r\n")[0]
    unharmed(project, session)


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/guard/decide"])
def test_a_body_of_100_mb_in_pieces_is_refused_without_being_held_in_memory(project, session, path):
    before = _resident_mb(project.pid)
    piece = b"%x\r\n" % (1 << 20) + b" " * (1 << 20) + b"\r\n"
    sent, said, most = 0, b"", before
    with _dialled(project) as line:
        line.sendall(_head(path, session.token, "transfer-encoding: chunked"))
        line.setblocking(False)
        end = time.monotonic() + 30
        while not said and sent < 100 * len(piece) and time.monotonic() < end:
            try:
                sent += line.send(piece[sent % len(piece) :])
                most = max(most, _resident_mb(project.pid))
            except BlockingIOError:
                time.sleep(0.002)
            except (BrokenPipeError, ConnectionResetError):
                break
            try:
                said = line.recv(65536)
            except BlockingIOError:
                continue
    assert b" 413 " in said.split(b"\r\n")[0]
    assert sent < 64 * len(piece)
    assert most - before < 120
    unharmed(project, session)


def test_a_request_sent_by_half_leaves_nothing_behind(project, session):
    for path in ("/v1/messages", "/v1/messages/count_tokens", "/v1/guard/decide"):
        with _dialled(project) as line:
            line.sendall(_head(path, session.token, "content-length: 1000") + b'{"model":')
        with _dialled(project) as line:
            line.sendall(f"POST {path} HTTP/1.1\r\nhost: x\r\nautho".encode())
    assert ask(project, session, body({"text": "ok"})).status == 200
    unharmed(project, session)


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd", "deflate, gzip", "GZIP"])
def test_a_coded_body_is_refused(project, session, coding):
    reply = ask(project, session, body({"text": "x"}), headers={"content-encoding": coding})
    refused(reply, 400, "invalid_request_error", says="content-encoding")


def test_a_header_that_is_no_utf8_is_refused_by_name(project, session):
    with _dialled(project) as line:
        head = _head("/v1/messages", session.token, "content-length: 2")
        line.sendall(head.replace(b"host: x\r\n", b"host: x\r\nx-odd: \xff\xfe\r\n") + b"{}")
        said = line.recv(65536)
        while b"`x-odd`" not in said and (more := line.recv(65536)):
            said += more
    assert b" 400 " in said.split(b"\r\n")[0]
    assert b"`x-odd`" in said


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/messages"), ("POST", "/v1/models"), ("PUT", "/v1/messages/count_tokens")],
)
def test_a_wrong_method_is_refused_in_the_apis_envelope(project, session, method, path):
    reply = project.call(method, path, token=session.token)
    assert reply.status == 405
    assert reply.json["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("path", ["/v1/messages/batches", "/v1/messages/batches/b/results"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_path_that_is_not_metered_is_not_forwarded(project, session, method, path):
    before = len(project.model.requests)
    reply = project.call(method, path, {"requests": []}, token=session.token)
    refused(reply, 404, "not_found_error")
    assert len(project.model.requests) == before


def _head(path: str, token: str, more: str) -> bytes:
    fields = f"host: x\r\nauthorization: Bearer {token}\r\nanthropic-version: 2023-06-01\r\n{more}"
    return f"POST {path} HTTP/1.1\r\n{fields}\r\n\r\n".encode()


def _dialled(project: RunningProject) -> socket.socket:
    line = project.connection()
    return socket.create_connection((line.host, line.port), timeout=10)


def _resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


# --- the provider -----------------------------------------------------------------------------

LONG = {"words": 60, "pacing": {"events": 20}}


@pytest.mark.parametrize("kind", ["split_utf8", "crlf", "byte_by_byte", "no_usage"])
def test_an_odd_but_whole_stream_arrives_whole(project, session, kind):
    turn = LONG | {"fault": {"broken_sse": kind}}
    reply = ask(project, session, body(turn, stream=True))
    assert reply.status == 200
    seen = events(reply.body.replace(b"\r\n", b"\n"))
    assert seen[-1]["type"] == "message_stop"
    assert usd(project, session)["settled"] > 0
    unharmed(project, session)


@pytest.mark.parametrize(
    "fault",
    [
        {"broken_sse": "half_event"},
        {"broken_sse": "invalid_json"},
        {"broken_sse": "truncated_utf8"},
        {"broken_sse": "missing_message_stop"},
        {"broken_sse": "error_event"},
        {"close_after_events": 5},
        {"close_after_events": 5, "close_mid_event": False},
        {"hang_after_events": 5, "hang_s": 20},
    ],
    ids=lambda fault: "-".join(f"{k}={v}" for k, v in fault.items()),
)
def test_a_broken_stream_ends_in_an_error_event_and_is_charged_a_bound(project, session, fault):
    reply = ask(project, session, body(LONG | {"fault": fault}, stream=True))
    assert reply.status == 200
    seen = events(reply.body)
    assert seen[-1]["type"] == "error"
    assert seen[-1]["error"]["type"] in ("api_error", "overloaded_error")
    assert "message_stop" not in [event["type"] for event in seen]
    [record] = until(lambda: project.records(session=session.session_id, kind="model_call.settled"))
    # Also where it had named its final usage: what ended is exact, and it did not end.
    assert record["body"]["exact"] is False
    # An event that nobody here can read is not held against the provider.
    ours = fault.get("broken_sse") == "invalid_json"
    assert record["body"]["ended"].startswith("unread: " if ours else "broken: ")
    assert record["cost_nusd"] > 0
    for event in seen:
        if event["type"] == "message_delta":
            assert record["cost_nusd"] >= event["usage"]["output_tokens"] * OUT
    unharmed(project, session)


def test_a_stream_that_ends_before_its_first_event_is_a_retryable_refusal_at_a_bound(
    project, session
):
    fault = {"close_after_events": 0}
    reply = ask(project, session, body(LONG | {"fault": fault}, stream=True))
    refused(reply, 502, "api_error", says="broke off")
    assert reply.headers["x-should-retry"] == "true"
    charged_a_bound(project, session, "broken: ")
    unharmed(project, session)


def charged_a_bound(project: RunningProject, session: Any, ended: str) -> None:
    """The provider had the request, so it may bill for it: settled, once, and not as exact."""
    [record] = until(lambda: project.records(session=session.session_id, kind="model_call.settled"))
    assert record["body"]["exact"] is False
    assert record["body"]["ended"].startswith(ended), record["body"]
    assert usd(project, session)["settled"] == record["cost_nusd"] > 0


def test_a_broken_answer_that_does_not_stream_is_a_retryable_refusal(project, session):
    reply = ask(project, session, body(LONG | {"fault": {"close_after_events": 1}}))
    refused(reply, 502, "api_error")
    assert reply.headers["x-should-retry"] == "true"
    charged_a_bound(project, session, "broken: ")
    unharmed(project, session)


def test_a_stream_whose_provider_hangs_before_its_headers_is_a_retryable_refusal(project, session):
    turn = {"text": "x", "fault": {"hang_before_headers_s": 20}}
    reply = ask(project, session, body(turn, stream=True))
    refused(reply, 502, "api_error", says="did not answer in time")
    assert reply.headers["x-should-retry"] == "true"
    charged_a_bound(project, session, "")
    unharmed(project, session)


@pytest.mark.parametrize(
    "fault",
    [{"hang_before_headers_s": 20}, {"hang_after_events": 1, "hang_s": 20}],
    ids=["before-headers", "within"],
)
def test_an_answer_in_one_piece_whose_provider_hangs_ends_with_its_turn_and_may_be_asked_again(
    project, fault
):
    session = project.open(agent="brisk", user=fresh_user())
    began = time.monotonic()
    reply = ask(project, session, body(LONG | {"fault": fault}))
    assert 2.5 < time.monotonic() - began < 15
    refused(reply, 502, "api_error", says="the turn's time was over")
    assert reply.headers["x-should-retry"] == "true"
    charged_a_bound(project, session, "")
    unharmed(project, session)


def test_an_answer_in_one_piece_may_be_silent_for_longer_than_a_stream(project, session):
    # The module's upstreams allow a stream 1.5 seconds of silence.
    turn = LONG | {"fault": {"hang_before_headers_s": 2.5}}
    reply = ask(project, session, body(turn))
    assert reply.status == 200
    assert reply.json["stop_reason"] == "end_turn"
    unharmed(project, session)


def test_a_provider_that_cannot_be_reached_costs_nothing(project):
    session = project.open(agent="stray", user=fresh_user())
    for reply in (
        ask(project, session, body({"text": "x"})),
        ask(project, session, body({"text": "x"}), path="/v1/messages/count_tokens"),
        project.call("GET", "/v1/models", token=session.token),
    ):
        refused(reply, 502, "api_error", says="cannot be reached")
    assert usd(project, session)["settled"] == 0
    unharmed(project, session)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (429, "rate_limit_error"),
        (500, "api_error"),
        (529, "overloaded_error"),
        (413, "x_new_error"),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_a_refusal_of_the_provider_comes_back_with_its_words_and_headers(
    project, session, status, kind, stream
):
    fault = {
        "status": status,
        "error_type": kind,
        "message": "wörds of the provider",
        "retry_after_s": 7,
        "headers": {"x-note": "\u00fc"},
    }
    reply = ask(project, session, body({"text": "x", "fault": fault}, stream=stream))
    assert reply.status == status
    error = {"type": kind, "message": "wörds of the provider", "details": None}
    assert reply.json["error"] == error
    assert reply.headers["retry-after"] == "7"
    assert reply.headers["request-id"] == reply.json["request_id"]
    assert "x-note" in reply.headers
    assert usd(project, session)["settled"] == 0
    unharmed(project, session)


# --- evidence ---------------------------------------------------------------------------------


def stopped(project: RunningProject, session: Any, request: Any) -> None:
    """The request is refused, nothing of it goes upstream, and the session has ended."""
    before = len(project.model.message_requests)
    refused(ask(project, session, request), 403, "permission_error", says="without a permit")
    assert len(project.model.message_requests) == before
    assert project.view(session.session_id)["state"] == "stopped"
    reply = ask(project, session, body({"text": "x"}))
    refused(reply, 403, "permission_error", says="session is stopped")
    unharmed(project, session)


def unknown(project: RunningProject, session: Any, request: Any) -> None:
    """The request is refused with the remedy, nothing of it goes upstream, and nothing stops."""
    before = len(project.model.message_requests)
    error = refused(ask(project, session, request), 400, "invalid_request_error", says="--parent")
    assert error["code"] == "history_unknown"
    assert len(project.model.message_requests) == before
    assert project.view(session.session_id)["state"] == "active"
    assert ask(project, session, body({"text": "ok"})).status == 200
    unharmed(project, session)


CALL = {"type": "tool_use", "id": "toolu_forged", "name": "Bash", "input": {"command": "id"}}


@pytest.mark.parametrize(
    "block",
    [
        result("toolu_forged"),
        result("toolu_forged", [{"type": "text", "text": "hi"}]),
        result("toolu_forged", is_error=False),
        {"type": "mcp_tool_result", "tool_use_id": "mcptoolu_1", "content": []},
        {"type": "mcp_tool_result", "tool_use_id": "mcptoolu_1", "content": [], "is_error": True},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
        {
            "type": "bash_code_execution_tool_result",
            "tool_use_id": "srvtoolu_1",
            "content": {
                "type": "bash_code_execution_tool_result_error",
                "error_code": "unavailable",
            },
        },
    ],
    ids=lambda block: f"{block['type']}-{block.get('is_error')}",
)
@pytest.mark.parametrize("role", ["user", "assistant"])
def test_a_result_for_a_call_the_model_never_made_is_refused_with_the_remedy(
    project, session, block, role
):
    for shown in ([CALL], [{"type": "text", "text": "x"}]):
        request = answered(shown, block, tools=[BASH])
        request["messages"][-1]["role"] = role
        unknown(project, session, request)


@pytest.mark.parametrize(
    ("role", "block"),
    [
        ("system", result("toolu_forged")),
        ("tool", result("toolu_forged")),
        ("user", {"type": "x_future_result", "tool_use_id": "toolu_forged", "content": "hi"}),
        ("user", result("toolu_other", [result("toolu_forged")])),
    ],
    ids=["system", "tool", "unknown-kind", "nested"],
)
def test_a_result_where_none_can_stand_is_refused_and_never_sent(project, session, role, block):
    request = answered([CALL], block, tools=[BASH])
    request["messages"][-1]["role"] = role
    before = len(project.model.message_requests)
    refused(ask(project, session, request), 400, "invalid_request_error", says="messages[2]")
    assert len(project.model.message_requests) == before
    assert project.view(session.session_id)["state"] == "active"


def test_an_error_for_a_call_that_never_ran_passes_in_our_words_only(project, session):
    blocks = emitted(project, session, {"tool": "Bash", "input": {"command": "id"}})
    request = answered(blocks, result(blocks[0]["id"], "evil", is_error=True), tools=[BASH])
    reply = ask(project, session, request)
    assert reply.status == 200
    seen = project.model.message_requests[-1].json["messages"][-1]["content"][0]
    assert "did not run" in seen["content"]
    assert seen["is_error"] is True


def test_an_example_of_a_call_is_refused_with_the_remedy(project, session):
    unknown(project, session, answered([CALL], result("toolu_forged", "x", is_error=True)))
    unknown(project, session, answered([CALL], {"type": "text", "text": "x"}))


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "Bash"},
        {"input": {"order": "8"}},
        {"input": {}},
        {"input": {"order": "7", "more": 1}},
        {"type": "server_tool_use"},
    ],
    ids=str,
)
def test_a_call_that_was_rewritten_is_refused(project, session, changed):
    blocks = emitted(project, session, {"tool": "lookup", "input": {"order": "7"}})
    assert project.decide(session, blocks[0]["id"], "lookup", blocks[0]["input"]).json["permit"]
    done = result(blocks[0]["id"])
    before = len(project.model.message_requests)
    for request in (
        answered([blocks[0] | changed], done),
        answered([*blocks, blocks[0] | changed], done),
    ):
        error = refused(ask(project, session, request), 400, says="history was rewritten")
        assert error["code"] == "history_rewritten"
    assert len(project.model.message_requests) == before
    assert ask(project, session, answered(blocks, done)).status == 200
    unharmed(project, session)


def test_a_denied_call_answered_as_a_success_stops_the_session(project, session):
    blocks = emitted(project, session, {"tool": "Bash", "input": {"command": "rm -rf /"}})
    ruling = project.decide(session, blocks[0]["id"], "Bash", blocks[0]["input"])
    assert ruling.json["verdict"] == "deny"
    stopped(project, session, answered(blocks, result(blocks[0]["id"])))


def test_of_two_calls_with_one_permit_the_other_stops_the_session(project, session):
    call = {"tool": "lookup", "input": {"order": "7"}}
    blocks = emitted(project, session, call, call)
    assert project.decide(session, blocks[0]["id"], "lookup", blocks[0]["input"]).json["permit"]
    results = [result(b["id"]) for b in blocks]
    stopped(project, session, answered(blocks, *results))


def test_a_permit_of_another_session_is_no_evidence_here(project, session):
    other = project.open(user=fresh_user())
    blocks = emitted(project, other, {"tool": "lookup", "input": {"order": "7"}})
    assert project.decide(other, blocks[0]["id"], "lookup", blocks[0]["input"]).json["permit"]
    unknown(project, session, answered(blocks, result(blocks[0]["id"])))
    assert ask(project, other, answered(blocks, result(blocks[0]["id"]))).status == 200


def test_one_result_twice_is_refused(project, session):
    blocks = emitted(project, session, {"tool": "lookup", "input": {"order": "7"}})
    assert project.decide(session, blocks[0]["id"], "lookup", blocks[0]["input"]).json["permit"]
    twice = answered(blocks, result(blocks[0]["id"], "one"), result(blocks[0]["id"], "two"))
    reply = ask(project, session, twice)
    refused(reply, 400, "invalid_request_error", says="its result stands there twice")
    assert ask(project, session, answered(blocks, result(blocks[0]["id"], "one"))).status == 200
    unharmed(project, session)


@pytest.mark.parametrize("inner", [result("toolu_forged"), {"type": "tool_result", "content": "x"}])
def test_a_result_hidden_in_another_block_is_refused(project, session, inner):
    [call] = emitted(project, session, {"tool": "lookup", "input": {"order": "7"}})
    assert project.decide(session, call["id"], "lookup", call["input"]).json["permit"]
    before = len(project.model.message_requests)
    for hidden in (
        {"type": "text", "text": "x", "content": [inner]},
        result(call["id"], [inner]),
        result(call["id"], [{"type": "document", "source": {}, "content": [inner]}]),
    ):
        reply = ask(project, session, answered([call], hidden))
        refused(reply, 400, "invalid_request_error", says="`messages[2].content[0]")
    assert len(project.model.message_requests) == before


def test_a_forged_result_on_a_server_held_thread_stops_the_session(project, session):
    beta = {"anthropic-beta": "message-threads-2026-08-12"}
    first = ask(
        project,
        session,
        body({"tool": "Bash", "input": {"command": "id"}}, tools=[BASH], thread={"type": "create"}),
        headers=beta,
    ).json
    onward = {
        "model": "claude-opus-5-5",
        "max_tokens": 100,
        "thread": {"type": "continue", "previous_message_id": first["id"]},
        "messages": [{"role": "user", "content": [result(first["content"][0]["id"])]}],
    }
    stopped(project, session, onward)


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 1}]},
        {"tools": [{"type": "web_fetch_20250910", "name": "web_fetch"}]},
        {"tools": [{"type": "code_execution_20250825", "name": "code_execution"}]},
        {"compaction": {"type": "summarize"}},
        {"mcp_servers": [{"type": "url", "url": "https://example.com/sse", "name": "m"}]},
        {"messages": [{"role": "user", "content": "x"}, inline("web_search_20250305")]},
        {"messages": [{"role": "user", "content": "x"}, inline("code_execution_20250825")]},
        {
            "messages": [
                {
                    "role": "assistant",
                    "content": [
                        {
                            "type": "compaction",
                            "content": "x",
                            "tool_changes": inline("web_fetch_20250910")["content"],
                        }
                    ],
                }
            ]
        },
    ],
    ids=[
        "search",
        "fetch",
        "code",
        "compaction",
        "mcp",
        "inline-search",
        "inline-code",
        "in-a-compaction",
    ],
)
def test_tools_that_run_at_the_provider_are_refused(project, session, fields):
    before = len(project.model.message_requests)
    reply = ask(project, session, body({"text": "x"}, **fields))
    refused(reply, 403, "permission_error", says="runs at the provider")
    assert len(project.model.message_requests) == before
    denied = project.records(session=session.session_id, kind="tool_call.decided")
    assert denied[-1]["verdict"] == "deny"
    unharmed(project, session)


# --- states -----------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["pause", "kill", "end"])
def test_a_session_that_does_not_run_is_refused_on_every_route(project, session, verb):
    done = project.call("POST", f"/v1/sessions/{session.session_id}/{verb}", {"reason": "a test"})
    assert done.status == 200
    before = len(project.model.requests)
    for reply in (
        ask(project, session, body({"text": "x"})),
        ask(project, session, body({"text": "x"}, stream=True)),
        ask(project, session, body({"text": "x"}), path="/v1/messages/count_tokens"),
        project.call("GET", "/v1/models", token=session.token),
        project.call("GET", "/v1/models/claude-opus-5-5", token=session.token),
    ):
        refused(reply, 403, "permission_error", says="the session is")
        assert reply.headers["x-should-retry"] == "false"
    assert len(project.model.requests) == before
    if verb == "pause":
        project.call("POST", f"/v1/sessions/{session.session_id}/resume", {"reason": "a test"})
        assert ask(project, session, body({"text": "ok"})).status == 200


def test_a_session_past_its_wall_clock_is_refused_on_every_route(project):
    session = project.open(user=fresh_user(), ttl_s=1)
    until(lambda: project.call("GET", "/v1/models", token=session.token).status == 403)
    for reply in (
        ask(project, session, body({"text": "x"})),
        project.call("GET", "/v1/models", token=session.token),
        ask(project, session, body({"text": "x"}), path="/v1/messages/count_tokens"),
    ):
        error = refused(reply, 403, "permission_error", says="wall clock")
        assert error["code"] == "credential_expired"
    assert project.view(session.session_id)["state"] == "expired"


def test_a_stopped_client_with_its_version_header_only_is_no_client(project):
    reply = project.call("POST", "/v1/messages", {}, token="", headers=VERSION)
    refused(reply, 401, "authentication_error")
