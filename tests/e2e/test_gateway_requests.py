"""Requests at the model's door: what real clients send passes, what nobody priced or granted does not."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from holdfast.testing.project import SETTINGS, RunningProject
from tests.served import (
    BASH,
    MODEL,
    ask,
    body,
    fresh_user,
    no_hold_left,
    refused,
    unharmed,
    until,
    usd,
)

PROVIDER_TOOLS = (
    "web_search",
    "web_fetch",
    "code_execution",
    "tool_search_tool_bm25",
    "tool_search_tool_regex",
    "advisor",
    "mcp_servers",
    "compaction",
    "files",
    "oracle_20270101",
)
CONTRACT = """
  {name}:
    description: "What: runs code at the provider. When: a figure has to be computed. Side effects: none."
    effect: egress
    risk: LOW
    risk_reason: only for this test
    input_schema: {{type: object}}"""
ADMIT = """
gateway:
  admit:
    - {field: metadata.team, as: dropped}
    - {beta: house-beta-2027-01-01}
    - {header: x-house, as: inert}
    - {tool: oracle_20270101, usd: 0.002, calls: 2, tokens: 100}
    - {block: novel_block, at: [messages.content], tokens: 0, fields: [text]}
"""
POLICIES = '@id("all") permit (principal in Role::"support", action, resource);'


def _settings() -> str:
    tools = ", ".join(["Bash", *PROVIDER_TOOLS])
    agents = f"""
  web: {{model: {MODEL}, models: [{MODEL}, claude-haiku-4-5], tools: [{tools}]}}
tools:
"""
    declared = "".join(CONTRACT.format(name=name) for name in PROVIDER_TOOLS)
    return SETTINGS.replace("\ntools:\n", agents) + declared[1:] + ADMIT


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Iterator[RunningProject]:
    settings = _settings()
    with RunningProject(
        tmp_path_factory.mktemp("p"), settings=settings, policies=POLICIES
    ) as running:
        yield running


@pytest.fixture
def session(project):
    return project.open(user=fresh_user())


@pytest.fixture
def granted(project):
    """A session of an agent that may use every tool of the provider, under the default caps."""
    return project.open(agent="web", user=fresh_user())


def sent(project: RunningProject) -> Any:
    """The last request that reached the provider."""
    return project.model.message_requests[-1]


# --- headers, betas, paths --------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["anthropic-workspace-id", "anthropic-user-profile-id", "anthropic-organization-id",
     "X-HTTP-Method-Override", "x-original-url", "x-goog-user-project"],
)  # fmt: skip
def test_a_header_that_says_who_pays_or_what_is_asked_is_refused(project, session, name):
    before = len(project.model.requests)
    for path in ("/v1/messages", "/v1/messages/count_tokens"):
        reply = ask(project, session, body({"text": "x"}), path=path, headers={name: "a"})
        refused(reply, 400, "invalid_request_error", says=name.lower())
    assert len(project.model.requests) == before


def test_headers_that_nobody_knows_stay_here_and_admitted_ones_go(project, session):
    headers = {"x-future-header": "a", "traceparent": "b", "x-house": "c", "user-agent": "d/1"}
    assert ask(project, session, body({"text": "x"}), headers=headers).status == 200
    seen = sent(project).headers
    assert "x-future-header" not in seen
    assert "traceparent" not in seen
    assert (seen["x-house"], seen["user-agent"]) == ("c", "d/1")
    assert session.token not in json.dumps(dict(seen))


def test_a_coding_behind_another_is_refused(project, session):
    raw = json.dumps(body({"text": "x"})).encode()
    head = (
        f"POST /v1/messages HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {session.token}\r\n"
        f"content-encoding: identity\r\ncontent-encoding: gzip\r\ncontent-length: {len(raw)}\r\n\r\n"
    )
    line = project.connection()
    with socket.create_connection((line.host, line.port), timeout=10) as dialled:
        dialled.sendall(head.encode() + raw)
        said = dialled.recv(65536)
    assert b" 400 " in said.split(b"\r\n")[0], said[:300]
    unharmed(project, session)


def test_betas_are_sent_on_dropped_or_refused_wherever_they_are_named(project, session):
    known = "context-management-2025-06-27, house-beta-2027-01-01, oauth-2025-04-20"
    request = body({"text": "x"}) | {"anthropic_beta": ["effort-2025-11-24"]}
    assert ask(project, session, request, headers={"anthropic-beta": known}).status == 200
    seen = sent(project)
    assert seen.headers["anthropic-beta"] == (
        "context-management-2025-06-27,house-beta-2027-01-01,effort-2025-11-24"
    )
    assert "anthropic_beta" not in seen.json
    before = len(project.model.requests)
    for header, in_body in (("brand-new-2099-01-01", []), ("", ["brand-new-2099-01-01"]),
                            ("user-profiles-billing-2026-10-01", [])):  # fmt: skip
        request = body({"text": "x"}) | {"anthropic_beta": in_body}
        reply = ask(project, session, request, headers={"anthropic-beta": header})
        refused(reply, 400, "invalid_request_error", says="beta")
    assert len(project.model.requests) == before


def test_a_beta_in_the_body_is_held_for_as_one_in_the_header(project):
    """The window that a beta opens is a million tokens, whoever names the beta."""
    wide = "context-1m-2025-08-07"
    source = {"type": "file", "file_id": "f"}
    said = {"role": "user", "content": [{"type": "document", "source": source}]}
    held = []
    for headers, more in (
        ({"anthropic-beta": wide}, {}),
        ({}, {"anthropic_beta": [wide]}),
        ({}, {}),
    ):
        session = project.open(agent="web", user=fresh_user())
        request = body({"text": "x"}, model="claude-haiku-4-5", **more)
        request["messages"].append(said)
        assert ask(project, session, request, headers=headers).status == 200
        [decided] = [
            record
            for record in project.records(session=session.session_id, kind="budget.decided")
            if record["body"]["purpose"] == "model"
        ]
        held.append(decided["body"]["amounts"]["tokens"])
    assert held[0] == held[1] == 1_000_000 + 1000
    assert held[2] == 200_000 + 1000


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("//v1/messages", "base URL"),
        ("/v1/v1/messages", "base URL"),
        ("/api/v1/messages/count_tokens", "base URL"),
        ("/v1/messages/batches", "holdfast batch run"),
        ("/v1/messages/batches/b_1/results", "holdfast batch run"),
        ("/v1/files", "file_id"),
        ("/v1/files/f_1/content", "file_id"),
        ("/v1/models/..%5cfiles", "model"),
        ("/v1/models/..%2ffiles", ""),
        ("/v1/models/%2e%2e", "model"),
        ("/v1/complete", "does not govern"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_path_of_the_api_is_refused_in_its_envelope(project, session, method, path, says):
    before = len(project.model.requests)
    reply = project.call(method, path, None if method == "GET" else {}, token=session.token)
    if reply.status != 405:
        refused(reply, 404, "not_found_error", says=says)
    assert reply.json["type"] == "error"
    assert len(project.model.requests) == before


def test_what_the_provider_does_not_read_of_a_query_stays_here(project, session):
    path = "/v1/messages?beta=true&workspace=w&x=%2F"
    assert ask(project, session, body({"text": "x"}), path=path).status == 200
    assert sent(project).query == "beta=true"


def test_a_count_is_read_by_the_same_table(project, session):
    plain = {"model": MODEL, "messages": [{"role": "user", "content": "hi"}]}
    path = "/v1/messages/count_tokens"
    assert ask(project, session, plain, path=path).status == 200
    for more in (
        {"novel": 1},
        {"workspace_id": "w"},
        {"tools": [{"type": "novel_1", "name": "x"}]},
    ):
        refused(ask(project, session, plain | more, path=path), 400, "invalid_request_error")


# --- tools of the provider --------------------------------------------------------------------

SEARCH = {"type": "web_search_20250305", "name": "web_search"}
RUNS: list[tuple[str, dict[str, Any]]] = [
    ("web_search", {"tools": [SEARCH]}),
    ("web_search", {"tools": [BASH, SEARCH | {"max_uses": 2}]}),
    ("web_fetch", {"tools": [{"type": "web_fetch_20250910", "name": "web_fetch"}]}),
    ("tool_search_tool_bm25", {"tools": [
        {"type": "tool_search_tool_bm25_20251119", "name": "tool_search_tool_bm25"},
        BASH | {"defer_loading": True}]}),
    ("tool_search_tool_regex", {"tools": [
        {"type": "tool_search_tool_regex", "name": "tool_search_tool_regex"}, BASH]}),
    ("code_execution", {"tools": [
        {"type": "code_execution_20260120", "name": "code_execution"},
        BASH | {"allowed_callers": ["code_execution_20260120"]}]}),
    ("code_execution", {"container": {"id": "c_1", "skills": [
        {"type": "anthropic", "skill_id": "pdf", "version": "latest"}]}}),
    ("mcp_servers", {
        "mcp_servers": [{"type": "url", "name": "m", "url": "https://example.com/sse"}],
        "tools": [{"type": "mcp_toolset", "mcp_server_name": "m"}]}),
    ("compaction", {"context_management": {"edits": [{"type": "compact_20260112"}]}}),
    ("compaction", {"compaction": {"type": "summarize"}}),
    ("advisor", {"tools": [{"type": "advisor_20260301", "name": "advisor",
                            "model": "claude-haiku-4-5", "max_tokens": 500}]}),
    ("oracle_20270101", {"tools": [{"type": "oracle_20270101", "name": "oracle"}]}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("grant", "fields"), RUNS, ids=[f"{n}-{g}" for n, (g, _) in enumerate(RUNS)]
)
def test_a_granted_tool_of_the_provider_runs_and_one_that_is_not_does_not(
    project, session, granted, grant, fields
):
    reply = ask(project, granted, body({"text": "ok"}, **fields))
    assert reply.status == 200, reply.body[:500]
    decided = project.records(session=granted.session_id, kind="tool_call.decided")
    assert [(r["tool"], r["verdict"]) for r in decided] == [(grant, "allow")]
    no_hold_left(project, granted)
    before = len(project.model.message_requests)
    reply = ask(project, session, body({"text": "ok"}, **fields))
    refused(reply, 403, "permission_error", says=f"`{grant}` runs at the provider")
    assert len(project.model.message_requests) == before
    decided = project.records(session=session.session_id, kind="tool_call.decided")
    assert [(r["tool"], r["verdict"]) for r in decided] == [(grant, "deny")]


SOURCES = [
    ("web_fetch", "image", {"type": "url", "url": "https://example.com/a.png"}),
    ("web_fetch", "document", {"type": "url", "url": "https://example.com/a.pdf"}),
    ("files", "image", {"type": "file", "file_id": "file_1"}),
    ("files", "document", {"type": "file", "file_id": "file_1"}),
]


@pytest.mark.parametrize(("grant", "kind", "source"), SOURCES)
def test_what_the_provider_goes_and_gets_needs_a_grant_for_calls_and_for_counts(
    project, session, granted, grant, kind, source
):
    request = body({"text": "ok"})
    request["messages"].append({"role": "user", "content": [{"type": kind, "source": source}]})
    counted = {name: request[name] for name in ("model", "messages")}
    before = len(project.model.requests)
    for path, asked in (("/v1/messages", request), ("/v1/messages/count_tokens", counted)):
        reply = ask(project, session, asked, path=path)
        refused(reply, 403, "permission_error", says="`messages[1].content[0].source`")
        assert f"`tools.{grant}`" in reply.json["error"]["message"]
    assert len(project.model.requests) == before
    assert ask(project, granted, request).status == 200
    assert sent(project).json["messages"][1] == request["messages"][1]


def test_content_in_the_request_itself_needs_no_grant(project, session):
    source = {"type": "base64", "media_type": "application/pdf", "data": "aGk="}
    for one in (source, {"type": "text", "media_type": "text/plain", "data": "hi"}):
        request = body({"text": "ok"})
        block = {"type": "document", "source": one}
        request["messages"].append({"role": "user", "content": [block]})
        assert ask(project, session, request).status == 200


def test_a_count_is_admitted_before_anything_of_it_leaves(project, session):
    path = "/v1/messages/count_tokens"
    plain = {"model": MODEL, "messages": [{"role": "user", "content": "hi"}]}
    spent = project.open(agent="web", user=fresh_user(), limits={"usd": "0"})
    before = len(project.model.requests)
    refused(ask(project, session, plain | {"tools": [SEARCH]}, path=path), 403)
    other = project.open(agent="web", user=fresh_user())
    refused(ask(project, other, plain | {"model": "claude-opus-4-0"}, path=path), 403)
    refused(ask(project, spent, plain, path=path), 402)
    refused(ask(project, spent, body({"text": "x"})), 402)
    assert len(project.model.requests) == before
    assert ask(project, session, plain | {"tools": [BASH]}, path=path).status == 200
    assert ask(project, other, plain | {"tools": [SEARCH]}, path=path).status == 200


def test_an_admitted_block_stands_at_its_place_and_is_read_within(project, session, granted):
    block = {"type": "novel_block", "text": "x"}
    fetched = block | {"source": {"type": "url", "url": "https://example.com/a"}}
    request = body({"text": "ok"})
    request["messages"].append({"role": "user", "content": [block]})
    assert ask(project, session, request).status == 200
    assert sent(project).json["messages"][1]["content"] == [block]
    refused(ask(project, session, request | {"system": [block]}), 400, says="at: [system]")
    request["messages"][1]["content"] = [fetched]
    refused(ask(project, session, request), 403, says="`web_fetch`")
    assert ask(project, granted, request).status == 200
    request["messages"][1]["content"] = [block | {"inner": {"type": "other_block"}}]
    refused(ask(project, granted, request), 400, says="other_block")


@pytest.mark.parametrize("place", ["tools", "system message", "compaction"])
def test_uses_are_limited_to_what_is_held_wherever_a_tool_is_defined(project, granted, place):
    addition = {
        "type": "tool_addition",
        "tool": {"type": "tool_definition", "definition": SEARCH},
    }
    request = body({"text": "ok"})
    if place == "tools":
        request["tools"] = [SEARCH]
    elif place == "system message":
        request["messages"].append({"role": "system", "content": [addition]})
    else:
        summary = {"type": "compaction", "content": "so far", "tool_changes": [addition]}
        request["messages"].append({"role": "assistant", "content": [summary]})
        request["messages"].append({"role": "user", "content": request["messages"][0]["content"]})
    assert ask(project, granted, request).status == 200
    assert '"max_uses":5' in json.dumps(sent(project).json, separators=(",", ":"))
    poor = project.open(agent="web", user=fresh_user(), limits={"usd": "0.40"})
    assert ask(project, poor, request).status == 200
    lowered = json.dumps(sent(project).json, separators=(",", ":"))
    assert '"max_uses":2' in lowered or '"max_uses":1' in lowered
    no_hold_left(project, poor)


def test_a_container_is_charged_though_no_usage_says_so(project, granted):
    tool = {"type": "code_execution_20260120", "name": "code_execution"}
    assert ask(project, granted, body({"text": "ok"}, tools=[tool])).status == 200
    [record] = until(lambda: project.records(session=granted.session_id, kind="model_call.settled"))
    assert record["cost_nusd"] > 50_000_000
    assert record["body"]["exact"] is False


def test_a_fallback_is_judged_and_held_for_as_a_call_of_its_own(project, granted):
    fine = body({"text": "ok"}, fallbacks=[{"model": "claude-haiku-4-5", "max_tokens": 100}])
    assert ask(project, granted, fine).status == 200
    for model, status in (("claude-opus-4-0", 403), ("claude-nobody-9", 403)):
        request = body({"text": "ok"}, fallbacks=[{"model": model}])
        refused(ask(project, granted, request), status, says=model)
    fast = body({"text": "ok"}, fallbacks=[{"model": "claude-haiku-4-5", "speed": "fast"}])
    refused(ask(project, granted, fast), 400, says="`speed`")
    poor = project.open(agent="web", user=fresh_user(), limits={"usd": "0.10"})
    dear = body({"text": "ok"}, fallbacks=[{"model": MODEL, "max_tokens": 64_000}])
    refused(ask(project, poor, dear), 402)
    assert usd(project, poor)["settled"] == 0


def test_an_advisor_of_another_model_is_refused(project, granted):
    tool = {"type": "advisor_20260301", "name": "advisor", "model": "claude-opus-4-0"}
    request = body({"text": "ok"}, tools=[tool | {"max_tokens": 10}])
    refused(ask(project, granted, request), 403, says="claude-opus-4-0")
    unbounded = body({"text": "ok"}, tools=[tool | {"model": MODEL}])
    refused(ask(project, granted, unbounded), 400, says="`tools[0].max_tokens`")


# --- what the API takes -----------------------------------------------------------------------


def test_null_is_absent_and_a_cache_is_warmed_with_no_output(project, session):
    nulls: dict[str, Any] = dict.fromkeys(
        ["stream", "thinking", "tools", "system", "speed", "service_tier", "container", "thread"]
    )
    assert ask(project, session, body({"text": "ok"}) | nulls).status == 200
    assert ask(project, session, body({"text": "ok"}) | {"max_tokens": 0}).status == 200
    assert sent(project).json["max_tokens"] == 0
    unharmed(project, session)


def test_an_admitted_field_is_dropped_and_an_unknown_one_says_how_to_admit_it(project, session):
    request = body({"text": "ok"}) | {"metadata": {"user_id": "u", "team": "t"}}
    assert ask(project, session, request).status == 200
    assert sent(project).json["metadata"] == {"user_id": "u"}
    request["metadata"]["room"] = "r"
    refused(ask(project, session, request), 400, says="gateway.admit: [{field: metadata.room")
