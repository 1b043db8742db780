"""Clients of the Messages API, unchanged, in front of the running server."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import pytest
from anthropic import beta_tool

from holdfast.testing.project import UPSTREAM_KEY, RunningProject
from tests.served import (
    BASH,
    IN,
    MODEL,
    OUT,
    ask,
    body,
    claude,
    emitted,
    fake,
    fresh_user,
    no_hold_left,
    refused,
    sdk,
    unharmed,
    usd,
)


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Iterator[RunningProject]:
    with RunningProject(tmp_path_factory.mktemp("p")) as running:
        yield running


@pytest.fixture
def session(project):
    return project.open(user=fresh_user())


@pytest.fixture
def client(project, session):
    with sdk(project, session) as made:
        yield made


def user_says(*turns: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": fake(*turns)}]


def last_upstream(project: RunningProject) -> Any:
    return project.model.message_requests[-1]


def test_created_message_is_the_scripted_one_and_costs_its_usage(project, session, client):
    said = client.messages.create(
        model=MODEL, max_tokens=100, messages=user_says({"text": "good morning"})
    )
    assert said.content[0].text == "good morning"
    assert said.stop_reason == "end_turn"
    cost = said.usage.input_tokens * IN + said.usage.output_tokens * OUT
    assert usd(project, session)["settled"] == cost
    assert project.view(session.session_id)["cost_nusd"] == cost
    unharmed(project, session)


def test_streamed_message_arrives_event_by_event_and_equals_the_scripted_one(
    project, session, client
):
    turn = {"words": 120, "pacing": {"events": 60}}
    with client.messages.stream(model=MODEL, max_tokens=4000, messages=user_says(turn)) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_message()
    assert kinds.count("content_block_delta") == 60
    assert (kinds[0], kinds[-1]) == ("message_start", "message_stop")
    assert len(final.content[0].text.split()) == 120
    assert usd(project, session)["settled"] == (
        final.usage.input_tokens * IN + final.usage.output_tokens * OUT
    )


def test_tool_runner_on_a_server_held_thread_runs_a_permitted_tool(project, session, client):
    decided = []

    def permitted(order: str) -> str:
        emitted_now = project.model.message_requests[-1].message_id
        assert emitted_now
        record = project.records(session=session.session_id, kind="tool_use.emitted")[-1]
        reply = project.decide(session, record["call_id"], "lookup", {"order": order})
        decided.append(reply.json)
        return f"order {order} is paid"

    @beta_tool
    def lookup(order: str) -> str:
        """Look up an order.

        Args:
            order: its number
        """
        return permitted(order)

    runner = client.beta.messages.tool_runner(
        model=MODEL,
        max_tokens=500,
        tools=[lookup],
        messages=user_says({"tool": "lookup", "input": {"order": "7"}}, "{{last_tool_result}}"),
    )
    last = runner.until_done()
    assert [d["verdict"] for d in decided] == ["allow"]
    assert last.content[0].text == "order 7 is paid"
    first, second = (r.json for r in project.model.message_requests[-2:])
    assert first["thread"]["type"] == "create"
    assert second["thread"]["type"] == "continue"
    assert [b["type"] for b in second["messages"][0]["content"]] == ["tool_result"]
    unharmed(project, session)


def test_tool_runner_without_a_permit_is_stopped_at_its_first_result(project, session, client):
    ran = []

    @beta_tool
    def lookup(order: str) -> str:
        """Look up an order.

        Args:
            order: its number
        """
        ran.append(order)
        return "not governed"

    runner = client.beta.messages.tool_runner(
        model=MODEL,
        max_tokens=500,
        tools=[lookup],
        messages=user_says({"tool": "lookup", "input": {"order": "7"}}, "never said"),
    )
    with pytest.raises(anthropic.PermissionDeniedError, match="without a permit"):
        runner.until_done()
    assert ran == ["7"]
    assert project.view(session.session_id)["state"] == "stopped"
    assert "not governed" not in last_upstream(project).raw.decode()
    unharmed(project, session)


def test_counting_and_models_pass_free_of_charge(project, session, client):
    counted = client.messages.count_tokens(model=MODEL, messages=user_says({"text": "x"}))
    assert counted.input_tokens > 0
    assert MODEL in [model.id for model in client.models.list()]
    assert client.models.retrieve(MODEL).id == MODEL
    with pytest.raises(anthropic.NotFoundError):
        client.models.retrieve("claude-nobody")
    assert usd(project, session)["settled"] == 0


def test_hello_answers_without_a_token(project):
    for method in ("HEAD", "GET"):
        reply = project.call(method, "/api/hello", token="")
        assert (reply.status, reply.body) == (200, b"")


def test_an_unedited_body_and_the_beta_headers_arrive_byte_for_byte(project, session):
    raw = (
        b'{ "model":"claude-opus-5-5" ,\n "max_tokens": 1e2, "temperature": 1.0,'
        b' "system":[{"type":"text","text":"be brief","cache_control":{"type":"ephemeral"}}],'
        b'\t"metadata":{"user_id":"{\\"a\\":1}"},'
        b' "messages":[{"role":"user","content":"FAKE:[{\\"text\\":\\"ok \\u20ac\\"}]"}] }'
    ).replace(b"1e2", b"100")
    betas = "message-threads-2026-08-12,fine-grained-tool-streaming-2025-05-14"
    headers = {
        "anthropic-beta": betas,
        "x-claude-code-session-id": "abc",
        "x-client-app": "ü".encode().decode("latin-1"),
        "user-agent": "somebody/1.0",
    }
    reply = ask(project, session, raw, path="/v1/messages?beta=true&limit=%2F+", headers=headers)
    assert reply.json["content"][0]["text"] == "ok €"
    seen = last_upstream(project)
    assert seen.raw == raw
    assert seen.query == "beta=true&limit=%2F+"
    assert {name: seen.headers[name] for name in headers} == headers
    assert seen.headers["content-type"] == "application/json"


def test_only_max_tokens_differs_when_it_is_lowered(project):
    session = project.open(user=fresh_user(), limits={"usd": "0.02"})
    raw = json.dumps(body({"text": "ok"}), indent=3).encode().replace(b"1000", b"64000")
    assert ask(project, session, raw).status == 200
    seen = last_upstream(project)
    lowered = seen.json["max_tokens"]
    assert 16 <= lowered < 64000
    given = json.loads(raw)
    assert seen.json == {**given, "max_tokens": lowered}
    # Every value but that one keeps its bytes, so the provider's prompt cache still matches.
    messages = raw[raw.index(b'"messages": ') + len(b'"messages": ') : raw.rindex(b"\n}")]
    assert messages in seen.raw


def test_only_the_content_of_a_denied_result_differs_and_is_the_same_every_time(project, session):
    [call] = emitted(
        project, session, {"tool": "Bash", "input": {"command": "rm -rf /"}}, tools=[BASH]
    )
    ruling = project.decide(session, call["id"], "Bash", call["input"]).json
    assert ruling["verdict"] == "deny"
    request = body({"tools": []}, {"text": "one"}, {"text": "two"}, tools=[BASH])
    marked = {"cache_control": {"type": "ephemeral"}, "is_error": True}
    request["messages"] += [
        {"role": "assistant", "content": [call]},
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": call["id"], "content": "evil"} | marked
            ],
        },
    ]
    seen = []
    for _ in range(2):
        assert ask(project, session, request).status == 200
        seen.append(last_upstream(project))
        assert b"evil" not in seen[-1].raw
    block = seen[0].json["messages"][2]["content"][0]
    assert block["content"] == ruling["message"]
    assert {k: block[k] for k in marked} == marked
    request["messages"][2]["content"][0]["content"] = ruling["message"]
    assert seen[0].json == request
    assert seen[0].raw == seen[1].raw
    unharmed(project, session)


def test_a_marked_prompt_is_read_from_the_providers_cache_the_second_time(project, session, client):
    system = [{"type": "text", "text": "policy " * 4000, "cache_control": {"type": "ephemeral"}}]
    said = [
        client.messages.create(
            model=MODEL, max_tokens=50, system=system, messages=user_says({"text": "ok"})
        ).usage
        for _ in range(2)
    ]
    assert said[0].cache_creation_input_tokens > 1000
    assert said[1].cache_read_input_tokens == said[0].cache_creation_input_tokens


@pytest.mark.parametrize("how", ["x-api-key", "bearer", "both"])
def test_the_token_opens_by_either_header_and_never_leaves_the_gateway(project, session, how):
    headers = {
        "cookie": "a=b",
        "proxy-authorization": "Basic c2VjcmV0",
        "x-forwarded-for": "10.0.0.9",
    }
    if how != "bearer":
        headers["x-api-key"] = session.token
    if how != "x-api-key":
        headers["authorization"] = f"Bearer {session.token}"
    reply = project.call(
        "POST",
        "/v1/messages",
        body({"text": "ok"}),
        token="",
        headers={"anthropic-version": "2023-06-01", **headers},
    )
    assert reply.status == 200
    seen = last_upstream(project)
    assert seen.headers["x-api-key"] == UPSTREAM_KEY
    assert not {"authorization", "cookie", "proxy-authorization", "x-forwarded-for"} & set(
        seen.headers
    )
    assert session.token not in json.dumps(seen.headers)


@pytest.mark.parametrize(
    ("token", "status"), [("", 401), ("hfs_" + "a" * 52, 401), ("sk-ant-" + "x" * 90, 401)]
)
def test_no_token_or_an_unknown_one_is_refused_in_the_apis_words(project, token, status):
    before = len(project.model.requests)
    for method, path in (("POST", "/v1/messages"), ("GET", "/v1/models")):
        reply = project.call(method, path, body({"text": "x"}), token=token)
        refused(reply, status, "authentication_error")
        assert reply.headers["x-should-retry"] == "false"
    assert len(project.model.requests) == before


def test_the_operators_token_is_no_sessions_token(project):
    reply = project.call("POST", "/v1/messages", body({"text": "x"}))
    refused(reply, 401, "authentication_error")


def test_the_providers_headers_come_back(project, session):
    reply = ask(project, session, body({"text": "ok"}))
    assert reply.headers["request-id"] == last_upstream(project).request_id
    assert reply.headers["anthropic-ratelimit-requests-limit"] == "4000"
    assert "server" not in reply.headers


def test_an_error_of_the_provider_comes_back_in_its_own_bytes(project, session):
    reply = ask(project, session, body({"text": "x"}) | {"messages": []})
    assert reply.status == 400
    assert reply.json["error"]["type"] == "invalid_request_error"
    assert "messages" in reply.json["error"]["message"]
    assert reply.json["request_id"] == last_upstream(project).request_id
    no_hold_left(project, session)
    assert usd(project, session)["settled"] == 0


@pytest.mark.part("claude-code")
def test_claude_code_with_only_address_and_token_says_its_text(project, session, tmp_path: Path):
    code, said = claude(project, session, tmp_path, fake({"text": "all is well"}))
    assert (code, said["is_error"], said["result"]) == (0, False, "all is well")
    assert usd(project, session)["settled"] > 0
    unharmed(project, session)


@pytest.mark.part("claude-code")
def test_claude_code_without_hooks_is_stopped_at_its_first_tool_result(
    project, session, tmp_path: Path
):
    before = len(project.model.message_requests)
    prompt = fake(
        {"tool": "Bash", "input": {"command": "echo ungoverned > proof"}}, {"text": "never said"}
    )
    code, said = claude(project, session, tmp_path, prompt, "--dangerously-skip-permissions")
    assert code != 0
    assert said["is_error"]
    assert "without a permit" in said["result"], said
    assert project.view(session.session_id)["state"] == "stopped"
    assert len(project.model.message_requests) - before == 1
    [stopped] = project.records(session=session.session_id, kind="evidence.missing")
    assert stopped["tool"] == "Bash"
    unharmed(project, session)
