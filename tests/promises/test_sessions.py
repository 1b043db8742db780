"""Sessions: kept apart by tenant, ended from outside, and left alone by what happens to others."""

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from holdfast.client import Session
from holdfast.errors import DelegationRefused
from tests.promises.calls import once, ordinary
from tests.promises.doors import DONE, VERSION, Work, call
from tests.promises.house import cli, fresh, until
from tests.promises.matrix import promise
from tests.promises.settings import MODEL


def streaming(door, words=4000, agent="desk") -> Work:
    """An answer that is under way, and lasts for a while."""
    long = {"words": words, "pacing": {"event_interval_ms": 50}}
    work = door.begin(long, DONE, agent=agent)
    assert until(lambda: any(r.events_sent > 10 for r in door.house.requests(work.marker)), 30)
    return work


def end(door, work, verb="kill", reason="enough"):
    path = f"/v1/sessions/{work.session_id}/{verb}"
    return door.house.project.call("POST", path, {"reason": reason})


@once
def killed(door):
    """One of two agents at work is killed; both, the receipt, and how long it took."""
    one, other = streaming(door), streaming(door, words=300)
    began = time.monotonic()
    receipt = end(door, one)
    return one, other, receipt, time.monotonic() - began


@promise("S102")
def test_ending_a_session_twice_is_ending_it_once_and_is_journalled(door):
    one, _, receipt, _ = killed(door)
    assert receipt.status == 200, receipt.body
    assert not receipt.json["already"]
    again = end(door, one)
    assert (again.status, again.json["already"], again.json["state"]) == (200, True, "killed")
    assert len(one.records("session.killed")) == 1
    (told, *_) = one.records("kill.receipt")
    assert told["body"]["by"]
    assert told["body"]["reason"] == "enough"


@promise("S103")
def test_one_agent_is_killed_and_no_other_is_touched(door):
    one, other, _, took_s = killed(door)
    assert took_s < 30
    one.wait()
    assert one.failed
    other.wait()
    assert (other.failed, other.view()["state"] in ("active", "ended")) == (False, True), other.said


@promise("S104")
def test_a_project_is_paused_as_a_whole_and_goes_on(door):
    one, project = streaming(door), door.house.project
    part = {name: one.view()[name] for name in ("tenant", "project")}
    began = time.monotonic()
    paused = project.call("POST", "/v1/stops/pause", part | {"reason": "quiet"})
    try:
        assert (paused.status, time.monotonic() - began < 30) == (200, True), paused.body
        stood = {told["session_id"]: told["state"] for told in paused.json["sessions"]}
        assert set(stood.values()) == {"paused"}
        view = one.view()
        assert (stood[view["session_id"]], view["state"]) == ("paused", "paused")
        assert "paused by" in view["stops"][0]
        asked = len(door.house.requests(one.marker))
        time.sleep(1)
        assert len(door.house.requests(one.marker)) == asked
    finally:
        resumed = project.call("POST", "/v1/stops/resume", part)
    assert resumed.status == 200, resumed.body
    assert one.view()["state"] == "active"
    assert one.records("session.resumed")
    end(door, one)
    one.wait()


@promise("S106")
def test_a_kill_cuts_the_stream_that_is_under_way(door):
    one, _, receipt, _ = killed(door)
    (asked, *_) = door.house.requests(one.marker)
    assert until(lambda: asked.client_disconnected_at, 10), "the provider's stream went on"
    levers = {lever["lever"]: lever["ok"] for lever in receipt.json["levers"]}
    assert {"refuse", "streams", "journal", "processes"} <= set(levers)
    assert all(levers.values())
    assert one.records("model_call.cut")
    assert len(door.house.requests(one.marker)) == 1


@promise("S25")
def test_nothing_of_another_tenant_is_read(door):
    """Every way to ask for something by a name, with every token of a session, against another tenant."""
    work = ordinary(door)
    project = door.house.project
    secret = fresh("globexsecret")
    other = project.open(user="victim", tenant="globex")
    prompt = project.call("POST", "/v1/guard/prompt", {"text": secret}, token=other.token)
    assert prompt.status == 200
    ids = [other.session_id, f"{other.session_id}/turns", f"{other.session_id}/kill"]
    paths = [f"/v1/sessions/{each}" for each in ids] + [
        "/v1/sessions?tenant=globex",
        "/v1/records?tenant=globex",
        f"/v1/records?tenant=globex&session={other.session_id}",
        "/v1/records",
        f"/v1/budgets?session={other.session_id}",
        "/v1/budgets?scope=tenant&owner=globex",
        "/v1/runs?tenant=globex",
        f"/v1/effects?session={other.session_id}",
        "/v1/conversations/list",
        "/v1/guard/conversations/list",
        "/v1/guard/history",
        "/v1/audit/ask?user=victim&at=now&tenant=globex",
    ]
    worker = (project.state / "worker.token").read_text().strip()
    tokens = {work.token, work.model_token, worker, ""}
    for token in tokens:
        for path in paths:
            for method in ("GET", "POST"):
                reply = project.call(
                    method,
                    path,
                    {"user": "victim", "tenant": "globex"} if method == "POST" else None,
                    token=token,
                )
                assert secret.encode() not in reply.body, (path, token[:4])
                assert reply.status >= 400 or b"globex" not in reply.body, (path, reply.body)
    assert (
        secret
        in project.call("GET", "/v1/records?tenant=globex&kind=prompt.submitted").body.decode()
    )
    stolen = door.work(call("look", "S25"), DONE, words=f"Show me {other.session_id} of globex.")
    assert stolen.tenant == "acme"
    assert {r["tenant"] for r in stolen.records()} == {"acme"}


@promise("S28")
def test_no_agent_writes_or_reloads_the_policy(door):
    """It stands in a process and a file of its own, and only an operator's act puts it in force."""
    work = ordinary(door)
    project = door.house.project
    assert project.policy_pid not in (project.pid, os.getpid())
    for token in (work.token, work.model_token, "", "hfs_made_up"):
        reply = project.call("POST", "/v1/policy/apply", {}, token=token)
        assert reply.status in (401, 403), reply.body
    writes = [
        {
            "tool": "command",
            "input": {"command": f"echo x >> {project.folder}/policies/project.cedar"},
        }
    ]
    writes += [
        {"tool": "command", "input": {"command": f"holdfast policy apply -C {project.folder}"}}
    ]
    tried = door.work(*writes, DONE)
    assert all(r["error"] for r in tried.read()), tried.read()
    file = project.folder / "policies" / "project.cedar"
    before, kept = policy_version(project), file.read_text()
    file.write_text(
        '@id("all")\npermit (principal, action, resource) when { context.tool != "" };\n'
    )
    try:
        sneaky = door.work(call("margin", "S28"), DONE)
        assert sneaky.acts("margin", "S28") == []
        assert policy_version(project) == before
    finally:
        file.write_text(kept)
    assert owner(project.policy_pid) != owner(os.getpid()), "it runs as the agent's own user"


def policy_version(project) -> str:
    return str(project.call("GET", "/v1/policy/status").json["version"])


def owner(pid: int) -> int:
    return Path(f"/proc/{pid}").stat().st_uid


@promise("S38")
def test_a_child_is_less_than_its_parent_or_refused(door):
    if door.name == "runs":
        by_run(door)
        return
    work = streaming(door, agent="lead")
    tools = [door.spell("look")]

    async def main():
        session = await Session.attach(door.house.project.url, work.token)
        with pytest.raises(DelegationRefused):
            await session.delegate("more money", tools=tools, limits={"usd": "50"})
        with pytest.raises(DelegationRefused):
            await session.delegate("another tool", tools=[door.spell("note")])
        child = await session.delegate("look it up", tools=tools, limits={"usd": "0.10"})
        assert set(child.plan.allowed_tools) <= set(tools)
        await child.end()
        await child.close()
        with pytest.raises(DelegationRefused):  # All that the parent has.
            await session.delegate("everything", agent="lead")
        await session.close()

    try:
        asyncio.run(main())
    finally:
        end(door, work)
        work.wait()


def by_run(door) -> None:
    asked = {"tool": "delegate", "input": {"task": "look up order 7"}}
    work = door.work(asked, DONE, agent="lead")
    view = work.view()
    assert view["children"], work.read()
    child = door.house.project.view(view["children"][0])
    assert child["delegated_by"] == work.session_id


@promise("S143")
def test_a_noisy_tenant_leaves_the_others_alone(door):
    """Without any setting, one tenant that asks for all it can is held back, and others are served."""
    project = door.house.project
    noisy = project.open(user=fresh("noisy"), tenant=f"loud-{door.name}", agent="filler")
    stop = time.monotonic() + 1.5
    answered = []
    said = [{"role": "user", "content": 'FAKE:["ok"]'}]
    body = {"model": MODEL, "max_tokens": 9, "messages": said}

    def storm(_):
        while time.monotonic() < stop:
            reply = project.call("POST", "/v1/messages", body, token=noisy.token, headers=VERSION)
            answered.append(reply.status)

    with ThreadPoolExecutor(8) as pool:
        storms = [pool.submit(storm, n) for n in range(8)]
        work = door.work(*[call("look", f"S143-{n}") for n in range(5)], DONE)
        for each in storms:
            each.result()
    assert [r["error"] for r in work.read()] == [False] * 5, work.read()
    emitted = {r["call_id"]: r["at_ns"] for r in work.records("tool_use.emitted")}
    waits = sorted((r["at_ns"] - emitted[r["call_id"]]) / 1e6 for r in work.decided())
    assert waits[2] < 1000, waits
    assert 429 in answered, "nothing held the noisy tenant back"


@promise("S148")
def test_the_readiness_check_names_what_is_missing(door, tmp_path):
    """Five of five here; an empty project fails, and so does one with two of the five."""
    made = tmp_path / "made"
    said = cli("init", str(made), *(["--claude-code"] if door.name == "claude_code" else []))
    assert said[0] == 0, said
    if door.name == "relay":
        with (made / "holdfast.yaml").open("a") as file:
            file.write("gateway: {processes: 1}\n")
    code, told = cli("doctor", str(made))
    assert (code, "5 of 5" in told) == (0, True), told
    empty = tmp_path / "empty"
    empty.mkdir()
    assert cli("doctor", str(empty))[0] != 0
    bare = tmp_path / "bare"
    bare.mkdir()
    lifted = dict.fromkeys(("usd", "tokens", "turns", "seconds", "tool_calls"), "none")
    (bare / "holdfast.yaml").write_text(yaml.safe_dump({
        "version": 1,
        "defaults": {"limits": {"session": lifted, "user": {"usd": "none"}, "tenant": {"usd": "none"}, "project": {"tokens": "none"}}},
        "agents": {"one": {"model": MODEL, "trust": "autonomous", "limits": lifted, "tools": ["Bash"]}},
    }))  # fmt: skip
    code, told = cli("doctor", str(bare))
    assert code == 1, told
    assert told.count("missing") + told.count("weak") >= 3, told


@promise("S152")
def test_nobody_is_served_without_a_name(door):
    work = ordinary(door)
    project = door.house.project
    asked = (
        *(
            ("GET", "/v1/sessions"),
            ("GET", "/v1/records"),
            ("GET", "/v1/budgets?scope=tenant&owner=acme"),
        ),
        *(
            ("POST", "/v1/sessions"),
            ("POST", "/v1/runs"),
            ("POST", f"/v1/sessions/{work.session_id}/kill"),
        ),
        *(("POST", "/v1/guard/decide"), ("POST", "/v1/guard/finish"), ("POST", "/v1/messages")),
        *(
            ("POST", "/v1/policy/apply"),
            ("POST", "/v1/guard/claude-code"),
            ("POST", "/v1/conversations/list"),
        ),
    )
    for method, path in asked:
        for token in ("", "hfa_made_up", "hfs_made_up"):
            url = project.model_url if path == "/v1/messages" else ""
            body: Any = {} if method == "POST" else None
            reply = project.call(method, path, body, token=token, headers=VERSION, url=url)
            if path.endswith("claude-code"):  # Hooks of the CLI read a 200 alone.
                assert reply.json["continue"] is False
                continue
            assert reply.status in (401, 403), (method, path, token, reply.status, reply.body)
            assert token or reply.status == 401
    for record in work.records():
        assert record["user"] == work.user
        assert record["agent"] == "desk"
