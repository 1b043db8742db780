"""Children of a running session: what they may do, what they cost, and how they end."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from holdfast.client import Session
from holdfast.errors import DelegationRefused
from holdfast.testing.project import POLICIES, SETTINGS, Opened, Reply, RunningProject
from tests.served import (
    Reader,
    answered,
    ask,
    body,
    emitted,
    fresh_user,
    refused,
    result,
    turned_down,
    unharmed,
    until,
    usd,
    within_caps,
)

SLOW = {"words": 5000, "pacing": {"event_interval_ms": 10}}
ORDER = {"order": "7"}
TASK = {"task": "look up order 7"}
AGENTS = """\
  desk: {model: claude-opus-5-5, tools: [Bash, Read, lookup, delegate]}
  reader: {model: claude-opus-5-5, tools: [lookup], limits: {tool_calls: 2}, system_prompt: Read.}
  writer: {model: claude-opus-5-5, tools: [Write]}
  hooked: {model: claude-opus-5-5, tools: [lookup], hooks: {timeout_s: 2}}
  elsewhere: {model: claude-opus-5-5, tools: [lookup], upstream: other}
"""
OTHER = '  other: {base_url: "$MODEL_URL", api_key_env: SCRIPTED_UPSTREAM_KEY}\n'


def settings() -> str:
    lines = SETTINGS.splitlines(keepends=True)
    at = next(n for n, line in enumerate(lines) if line.startswith("  desk:"))
    lines[at] = AGENTS
    at = next(n for n, line in enumerate(lines) if line.startswith("upstreams:"))
    return "".join([*lines[: at + 2], OTHER, *lines[at + 2 :]])


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Iterator[RunningProject]:
    policies = POLICIES.replace('Action::"lookup"]', 'Action::"lookup", Action::"delegate"]')
    folder = tmp_path_factory.mktemp("p")
    with RunningProject(folder, settings=settings(), policies=policies) as running:
        yield running


@pytest.fixture
def parent(project):
    return project.open(user=fresh_user())


def asked_for(project: RunningProject, parent: Opened, **fields: Any) -> Reply:
    given = {"task_text": "look up order 7", **fields}
    return project.call("POST", "/v1/guard/delegate", given, token=parent.token)


def delegated(project: RunningProject, parent: Opened, **fields: Any) -> Opened:
    reply = asked_for(project, parent, **({"tools": ["lookup"]} | fields))
    assert reply.status == 200, reply.body
    found = reply.json
    assert found["session"]["delegated_by"] == parent.session_id
    return Opened(found["session"]["session_id"], found["token"], found["plan"])


def collect(project: RunningProject, parent: Opened, child: Opened, text: str) -> Any:
    given = {"child": child.session_id, "text": text}
    reply = project.call("POST", "/v1/guard/collect", given, token=parent.token)
    assert reply.status == 200, reply.body
    return reply.json


def looked_up(project: RunningProject, session: Opened) -> dict[str, Any]:
    """Let the model call `lookup`; the guard's answer."""
    [call] = emitted(project, session, {"tool": "lookup", "input": ORDER})
    ruling: dict[str, Any] = project.decide(session, call["id"], "lookup", ORDER).json
    return ruling | {"call_id": call["id"]}


def test_a_child_runs_with_its_own_token_and_only_the_tools_it_was_given(project, parent):
    child = delegated(project, parent, agent="reader", tools=None)
    assert child.plan["allowed_tools"] == ["lookup"]
    assert child.plan["system_prompt"] == "Read."
    assert child.plan["task"]["text"] == "look up order 7"
    assert looked_up(project, child)["verdict"] == "allow"
    [call] = emitted(project, child, {"tool": "Bash", "input": {"command": "ls"}})
    denied = project.decide(child, call["id"], "Bash", {"command": "ls"}).json
    assert (denied["verdict"], denied["reasons"][0]["code"]) == ("deny", "tool.not_granted")
    [call] = emitted(project, parent, {"tool": "Bash", "input": {"command": "ls"}})
    assert project.decide(parent, call["id"], "Bash", {"command": "ls"}).json["verdict"] == "allow"
    view = project.view(parent.session_id)
    assert view["children"] == [child.session_id]
    within_caps(project, child)


@pytest.mark.parametrize(
    ("fields", "authority"),
    [
        ({"tools": ["lookup", "Write"]}, "tools"),
        ({"agent": "writer"}, "tools"),
        ({"agent": "hooked"}, "hooks"),
        ({"agent": "elsewhere"}, "upstream"),
        ({"tools": ["lookup"], "trust": "autonomous"}, "trust"),
        ({"tools": ["lookup"], "limits": {"tool_calls": 4}}, "limits"),
        ({"tools": ["lookup"], "attributes": {"max_refund": 5}}, "attributes"),
    ],
)
def test_a_child_that_is_to_have_more_is_refused(project, fields, authority):
    parent = project.open(user=fresh_user(), limits={"tool_calls": 3})
    error = turned_down(asked_for(project, parent, **fields), 403, "delegation_refused")
    assert error["authority"] == authority
    assert project.view(parent.session_id)["children"] == []


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"agent": "nobody"},
        {"tools": "lookup"},
        {"tools": [], "limits": {"usd": "much"}},
        {"tools": [], "ttl_s": 0},
        {"tools": [], "trust": "full"},
        {"tools": [], "everything": True},
    ],
)
def test_a_request_that_cannot_work_is_refused(project, parent, fields):
    turned_down(asked_for(project, parent, **fields), 400, "invalid_request")
    child = delegated(project, parent)
    turned_down(asked_for(project, child, tools=[]), 403, "delegation_refused")
    unharmed(project, child)


def test_the_parents_cap_holds_over_all_of_its_children(project):
    parent = project.open(user=fresh_user(), limits={"usd": "0.03"})
    children = [delegated(project, parent) for _ in range(2)]
    replies = []
    for n in range(12):
        one = (*children, parent)[n % 3]
        replies.append(ask(project, one, body({"words": 300}) | {"max_tokens": 400}))
        within_caps(project, one)
    assert {reply.status for reply in replies} == {200, 402}
    assert refused(replies[-1], 402)["message"].startswith("budget_exceeded")
    spent = sum(usd(project, child)["settled"] for child in children)
    whole = usd(project, parent)
    assert 0 < spent <= whole["settled"] <= whole["limit"]
    for one in (*children, parent):
        unharmed(project, one)


def test_calls_of_a_child_count_on_its_parent(project):
    parent = project.open(user=fresh_user(), limits={"tool_calls": 3})
    child = delegated(project, parent, limits={"tool_calls": 2})
    verdicts = [looked_up(project, one)["verdict"] for one in (child, child, child, parent, parent)]
    assert verdicts == ["allow", "allow", "deny", "allow", "deny"]


def test_a_kill_of_the_parent_ends_its_childs_stream_and_processes(project, parent):
    other = project.open(user=fresh_user())
    spared = delegated(project, other)
    child = delegated(project, parent)
    sleeper = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"],
        env={"PATH": os.environ["PATH"], "HOLDFAST_SESSION": child.session_id},
        start_new_session=True,
    )
    try:
        reader = Reader(project, child, body(SLOW, stream=True) | {"max_tokens": 8000})
        until(lambda: len(reader.seen) > 800)
        path = f"/v1/sessions/{parent.session_id}/kill"
        receipt = project.call("POST", path, {"reason": "wrong customer"}).json
        [below] = receipt["children"]
        assert (below["session_id"], below["state"]) == (child.session_id, "killed")
        assert (below["streams"], below["processes"], below["ok"]) == (1, 1, True)
        assert all(lever["ok"] for lever in receipt["levers"])
        assert sleeper.wait(30) == -signal.SIGKILL
        assert reader.whole()[-1]["type"] == "message_stop"
    finally:
        sleeper.kill()
        sleeper.wait()
    refused(ask(project, child, body({"text": "x"})), 403, "permission_error", says="killed")
    assert project.view(child.session_id)["state"] == "killed"
    assert ask(project, spared, body({"text": "x"})).status == 200
    unharmed(project, child)


def test_a_child_outlives_neither_a_restart_of_the_server_nor_its_parent(tmp_path):
    with RunningProject(tmp_path, settings=settings()) as project:
        parent = project.open()
        child, loose = delegated(project, parent), delegated(project, parent)
        project.stop(signal.SIGKILL)
        project.start()
        assert ask(project, child, body({"text": "x"})).status == 200
        path = f"/v1/sessions/{parent.session_id}"
        assert project.call("POST", f"{path}/pause", {"reason": "wait"}).status == 200
        refused(ask(project, child, body({"text": "x"})), 403, says="paused")
        assert project.call("POST", f"{path}/resume", {"reason": "go"}).status == 200
        assert project.call("POST", f"{path}/end", {"reason": "done"}).status == 200
        for one in (child, loose):
            assert project.view(one.session_id)["state"] == "ended"


def test_what_a_child_read_taints_its_parent_with_the_result(project, parent):
    [call] = emitted(project, parent, {"tool": "delegate", "input": TASK})
    assert project.decide(parent, call["id"], "delegate", TASK).json["verdict"] == "allow"
    child = delegated(project, parent, call_id=call["id"])
    ruling = looked_up(project, child)
    block = {"type": "tool_use", "id": ruling["call_id"], "name": "lookup", "input": ORDER}
    assert ask(project, child, answered([block], result(ruling["call_id"]))).status == 200
    assert project.view(child.session_id)["tainted"]
    assert not project.view(parent.session_id)["tainted"]
    taken = collect(project, parent, child, "a kettle")
    assert (taken["tainted"], taken["text"], taken["state"]) == (True, "a kettle", "ended")
    assert project.view(parent.session_id)["tainted"]
    assert project.view(child.session_id)["state"] == "ended"
    kinds = [r["kind"] for r in project.records(session=parent.session_id)]
    assert "session.delegated" in kinds
    assert "session.collected" in kinds


def test_the_result_of_a_child_that_read_nothing_untrusted_leaves_the_parent_clean(project, parent):
    [call] = emitted(project, parent, {"tool": "delegate", "input": TASK})
    project.decide(parent, call["id"], "delegate", TASK)
    child = delegated(project, parent, tools=[], call_id=call["id"])
    assert ask(project, child, body({"text": "seven"})).status == 200
    assert collect(project, parent, child, "seven")["tainted"] is False
    block = {"type": "tool_use", "id": call["id"], "name": "delegate", "input": TASK}
    assert ask(project, parent, answered([block], result(call["id"], "seven"))).status == 200
    assert not project.view(parent.session_id)["tainted"]
    unharmed(project, parent)


def test_the_client_starts_a_child_takes_its_result_and_raises_the_refusal(project, parent):
    async def main() -> None:
        async with await Session.attach(project.url, parent.token) as session:
            with pytest.raises(DelegationRefused) as fault:
                await session.delegate("all of it", tools=["lookup"], limits={"tool_calls": 10**6})
            assert fault.value.fields["authority"] == "limits"
            async with await session.delegate(
                "one order", tools=["lookup"], resources=["tool:lookup"], limits={"usd": "0.05"}
            ) as child:
                assert (await child.view()).resources == ("tool:lookup",)
                assert (await child.view()).delegated_by == parent.session_id
                got = await session.collect(child, "nothing")
                assert (got.tainted, got.text) == (False, "nothing")
                assert (await child.view()).state == "ended"

    asyncio.run(main())
