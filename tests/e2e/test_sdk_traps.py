"""The traps of the Claude Agent SDK, each sprung with the real SDK and its bundled CLI.

Two kinds: what the CLI does with bare hooks (so that a new CLI that behaves otherwise is noticed),
and that none of it gets past `govern`.
"""

import asyncio
import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from claude_agent_sdk import (
    ClaudeAgentOptions,
    ClaudeSDKClient,
    HookMatcher,
    ResultError,
    ResultMessage,
    ToolResultBlock,
    UserMessage,
    create_sdk_mcp_server,
    query,
    tool,
)

from holdfast.client import Session
from holdfast.integrations.claude_agent_sdk import govern
from holdfast.integrations.permits import same_arguments
from holdfast.testing.project import RunningProject
from holdfast.testing.scripted_model import ScriptedModel
from tests.unit.integrations.guard_double import GuardDouble

pytestmark = pytest.mark.part("claude-code")

SETTINGS = """\
version: 1
policies: policies
upstreams:
  anthropic: {base_url: "$MODEL_URL", api_key_env: SCRIPTED_UPSTREAM_KEY}
defaults:
  limits: {project: {tokens: none}}
tenants:
  acme: {projects: {support: {}}, users: {"*": {roles: [support]}}}
agents:
  desk:
    model: claude-opus-5-5
    trust: autonomous
    tools: [Bash, Read, Agent, mcp__shop__lookup, mcp__shop__stop_server]
tools:
  mcp__shop__lookup: &shop
    description: "What: looks up one order of the shop. When: somebody asks about that order. Side effects: none."
    effect: read
    risk: LOW
    risk_reason: it reads one row
    first_party: true
    input_schema:
      type: object
      properties: {order: {type: string}}
      required: [order]
      additionalProperties: false
  mcp__shop__stop_server: *shop
"""
POLICIES = """\
@id("desk")
permit (
  principal in Role::"support",
  action in [
    Action::"Bash", Action::"Read", Action::"Agent",
    Action::"mcp__shop__lookup", Action::"mcp__shop__stop_server"
  ],
  resource
);
"""


# HOME is a folder of the test's own: the CLI's shell reads the start files it finds there.
# Users share no account, so that no test pays for another's.
USERS = itertools.count()


def use(name: str, call_id: str, **given: Any) -> dict[str, Any]:
    return {"type": "tool_use", "name": name, "id": call_id, "input": given}


def turns(*blocks: dict[str, Any]) -> list[dict[str, Any]]:
    """One turn for each call, then the end."""
    return [*({"blocks": [b]} for b in blocks), {"blocks": [{"type": "text", "text": "done"}]}]


def script(*given: dict[str, Any], **others: list[dict[str, Any]]) -> dict[str, Any]:
    marked = [{"name": k, "match": {"text": k}, "turns": v} for k, v in others.items()]
    return (
        {"scenarios": [*marked, {"name": "main", "turns": list(given)}]}
        if given
        else {"scenarios": marked}
    )


async def run(
    prompt: str, options: ClaudeAgentOptions
) -> tuple[dict[str, ToolResultBlock], list[ResultMessage]]:
    """What each call came back with, and how the run ended."""
    results: dict[str, ToolResultBlock] = {}
    ends: list[ResultMessage] = []
    async with asyncio.timeout(30), aclosing(query(prompt=prompt, options=options)) as messages:  # type: ignore[type-var]
        with contextlib.suppress(ResultError):
            async for message in messages:
                keep(message, results, ends)
    return results, ends


def keep(message: Any, results: dict[str, ToolResultBlock], ends: list[ResultMessage]) -> None:
    if isinstance(message, UserMessage) and isinstance(message.content, list):
        results.update(
            {b.tool_use_id: b for b in message.content if isinstance(b, ToolResultBlock)}
        )
    if isinstance(message, ResultMessage):
        ends.append(message)


def bare(url: str, cwd: Path, **given: Any) -> ClaudeAgentOptions:
    env = {
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_AUTH_TOKEN": "x",
        "ANTHROPIC_API_KEY": "",
        "CLAUDE_CONFIG_DIR": str(cwd / "config"),
        "HOME": str(cwd),
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }
    return ClaudeAgentOptions(cwd=cwd, env=env, setting_sources=[], allowed_tools=["Bash"], **given)


def touch(name: str) -> dict[str, Any]:
    return use("Bash", f"toolu_{name}", command=f"touch {name}")


def specific(**given: Any) -> dict[str, Any]:
    return {"hookSpecificOutput": {"hookEventName": "PreToolUse", **given}}


async def hang() -> None:
    await asyncio.sleep(60)


TRAPS: dict[str, Any] = {
    "exception": ValueError("boom"),
    "none": None,
    "bad_enum": specific(permissionDecision="Deny"),
    "misspelt": specific(permission_decision="deny"),
    "top_level": {"permissionDecision": "deny"},
    "put_off": {"async_": True},
    "timeout": hang,
    "denied": specific(permissionDecision="deny", permissionDecisionReason="no"),
    "stopped": {"continue_": False, "stopReason": "enough"},
}
OPEN_EVEN_WHEN_BLOCKING = {"misspelt", "top_level", "put_off", "stopped"}
OPEN_OTHERWISE = OPEN_EVEN_WHEN_BLOCKING | {"exception", "none", "bad_enum"}


async def spring(given: Any, tool_use_id: str | None, context: Any) -> Any:
    trap = TRAPS[given["tool_use_id"].removeprefix("toolu_")]
    if isinstance(trap, Exception):
        raise trap
    return await trap() if trap is hang else trap


@pytest.mark.parametrize(
    ("on_failure", "expected"), [("block", OPEN_EVEN_WHEN_BLOCKING), (None, OPEN_OTHERWISE)]
)
def test_which_answers_of_a_bare_hook_let_the_call_run(tmp_path, on_failure, expected):
    async def never(given: Any, tool_use_id: str | None, context: Any) -> Any:
        raise AssertionError("a matcher that matches nothing was called")

    matchers = [
        HookMatcher(matcher=None, hooks=[spring], timeout=1, on_failure=on_failure),
        *(HookMatcher(matcher=m, hooks=[never], on_failure="block") for m in ("bash", "Bas", "[")),
    ]
    with ScriptedModel(script(*turns(*map(touch, TRAPS)))) as model:
        options = bare(model.url, tmp_path, hooks={"PreToolUse": matchers})
        _, ends = asyncio.run(run("go", options))
    assert {name for name in TRAPS if (tmp_path / name).exists()} == expected
    # `continue_` alone ends the run, but only after the tool ran.
    assert ends[-1].terminal_reason == "hook_stopped"


# What the model writes → what the CLI's hooks are shown of it; None where it is shown as written.
TIDIED: list[tuple[str, dict[str, Any], dict[str, Any] | None]] = [
    ("Bash", {"command": "echo plain", "timeout": 5000, "description": "é\u202e😀"}, None),
    ("Bash", {"command": "cd $CWD && echo in_place > moved"}, {"command": "echo in_place > moved"}),
    ("Bash", {"command": "echo x", "timeout": "5000"}, {"command": "echo x", "timeout": 5000}),
    (
        "Bash",
        {"command": "printf '%s' 'a\\\\;b' > semi"},
        {"command": "printf '%s' 'a\\;b' > semi"},
    ),
    ("Read", {"file_path": "a.txt"}, {"file_path": "$CWD/a.txt"}),
    (
        "Write",
        {"file_path": "$CWD/w.txt", "content": "x  \n\n"},
        {"file_path": "$CWD/w.txt", "content": "x\n\n"},
    ),
    (
        "Edit",
        {"file_path": "$CWD/a.txt", "old_string": "hello", "new_string": "bye  "},
        {
            "file_path": "$CWD/a.txt",
            "old_string": "hello",
            "new_string": "bye",
            "replace_all": False,
        },
    ),
    ("mcp__shop__lookup", {"order": "é", "note": None, "extra": {"a": [1]}}, None),
    ("mcp__shop__lookup", {"order": "x", "count": "5"}, {"order": "x", "count": 5}),
    ("mcp__shop__lookup", {"order": "x", "count": 5.0}, None),
]


def placed(value: Any, cwd: Path) -> Any:
    if isinstance(value, dict):
        return {key: placed(inner, cwd) for key, inner in value.items()}
    return value.replace("$CWD", str(cwd)) if isinstance(value, str) else value


def test_where_the_cli_tidies_arguments_what_was_decided_runs_and_not_what_the_hook_saw(tmp_path):
    (tmp_path / "a.txt").write_text("hello\n")
    calls = {
        f"toolu_{n}": (name, placed(given, tmp_path), placed(seen, tmp_path))
        for n, (name, given, seen) in enumerate(TIDIED)
    }
    blocks = [use(name, call_id, **given) for call_id, (name, given, _) in calls.items()]
    received: list[dict[str, Any]] = []

    schema: dict[str, Any] = {
        "type": "object",
        "properties": {"order": {"type": "string"}, "count": {"type": "integer"}},
    }

    @tool("lookup", "looks up", schema)
    async def lookup(arguments: dict[str, Any]) -> dict[str, Any]:
        received.append(arguments)
        return {"content": [{"type": "text", "text": "ok"}]}

    # As the guard does: decide on what the model wrote, whatever the door was shown of it.
    def rule(body: dict[str, Any]) -> dict[str, Any]:
        return {"arguments": calls[body["call_id"]][1]}

    async def main() -> Any:
        async with (
            GuardDouble(rule, script(*turns(*blocks))).running() as guard,
            await Session.attach(guard.url, "hfs_1") as session,
        ):
            servers: Any = {"shop": create_sdk_mcp_server("shop", tools=[lookup])}
            options = ClaudeAgentOptions(
                cwd=tmp_path,
                env={"HOME": str(tmp_path)},
                mcp_servers=servers,
                model="claude-sonnet-5",
            )
            results, _ = await run("go", govern(options, session, bubblewrap=False))
            return guard, results

    guard, results = asyncio.run(main())
    decided, prompts = guard.bodies("decide"), guard.bodies("prompt")
    assert [body["call_id"] for body in decided] == list(calls)
    for body in decided:
        name, given, seen = calls[body["call_id"]]
        assert body["tool"] == name
        assert same_arguments(body["arguments"], given if seen is None else seen), body
    assert prompts == [{"text": "go"}]
    assert (tmp_path / "moved").read_text() == "in_place\n"
    assert (tmp_path / "semi").read_text() == "a\\\\;b"
    assert (tmp_path / "w.txt").read_text() == "x  \n\n"
    assert (tmp_path / "a.txt").read_text() == "bye  \n"
    assert received == [
        {"order": "é", "note": None, "extra": {"a": [1]}},
        {"order": "x", "count": 5},
    ]
    # Text where the tool wants a number is not coerced once the guard has decided on it.
    assert results["toolu_8"].is_error


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    with RunningProject(
        tmp_path_factory.mktemp("project"), settings=SETTINGS, policies=POLICIES
    ) as running:
        yield running


def scripted(*blocks: dict[str, Any]) -> str:
    """A prompt that carries its own script."""
    return "FAKE:" + json.dumps(turns(*blocks))


async def shop_session(project: RunningProject) -> Session:
    opened = await asyncio.to_thread(project.open, user=f"user{next(USERS)}")
    return await Session.attach(project.url, opened.token)


def shop(project: RunningProject) -> Any:
    @tool("lookup", "looks up", {"order": str})
    async def lookup(arguments: dict[str, Any]) -> dict[str, Any]:
        return {"content": [{"type": "text", "text": f"order {arguments['order']}"}]}

    @tool("stop_server", "stops", {"order": str})
    async def stop_server(arguments: dict[str, Any]) -> dict[str, Any]:
        await asyncio.to_thread(project.stop, signal.SIGKILL)
        return {"content": [{"type": "text", "text": "stopped"}]}

    return {"shop": create_sdk_mcp_server("shop", tools=[lookup, stop_server])}


def test_a_governed_client_runs_what_is_allowed_and_nothing_of_the_host_leaks(
    project, tmp_path, monkeypatch, sandbox
):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "host-secret")
    monkeypatch.setenv("GITHUB_TOKEN", "host-secret")
    sub_agent = scripted(use("Bash", "toolu_s1", command="touch done_by_sub_agent"))
    first = scripted(
        use("Bash", "toolu_a1", command="env > seen; cat seen"),
        use("mcp__shop__lookup", "toolu_a2", order="ORD-1"),
        use("Write", "toolu_a3", file_path=str(tmp_path / "w"), content="x"),
        use(
            "Agent", "toolu_a4", description="d", prompt=sub_agent, subagent_type="general-purpose"
        ),
        use(
            "Bash",
            "toolu_a5",
            command="for i in $(seq 50); do test -e done_by_sub_agent && break; sleep 0.1; done; sleep 0.5",
        ),
    )
    second = scripted(use("Bash", "toolu_b1", command="touch second"))

    async def main() -> Any:
        session = await shop_session(project)
        options = govern(
            ClaudeAgentOptions(
                cwd=tmp_path,
                env={"HOME": str(tmp_path)},
                model="claude-opus-5-5",
                mcp_servers=shop(project),
            ),
            session,
            bubblewrap=sandbox,
        )
        results: dict[str, ToolResultBlock] = {}
        ends: list[ResultMessage] = []
        async with asyncio.timeout(40), ClaudeSDKClient(options) as client:
            for prompt, last in ((first, "toolu_a5"), (second, "toolu_b1")):
                await client.query(prompt)
                # A sub-agent that ends late ends a turn of its own, which no prompt asked for.
                while last not in results:
                    async for message in client.receive_response():
                        keep(message, results, ends)
            await asyncio.to_thread(
                project.call,
                "POST",
                f"/v1/sessions/{session.session_id}/kill",
                {"reason": "enough"},
            )
        await session.close()
        return session.session_id, results, ends

    session_id, results, ends = asyncio.run(main())
    assert ends[0].result == "done", ends
    assert "host-secret" not in (tmp_path / "seen").read_text()
    assert f"HOLDFAST_SESSION={session_id}" in (tmp_path / "seen").read_text()
    assert "order ORD-1" in str(results["toolu_a2"].content)
    assert results["toolu_a3"].is_error
    assert not (tmp_path / "w").exists()
    assert (tmp_path / "done_by_sub_agent").exists()
    assert (tmp_path / "second").exists()
    records = project.records(session=session_id)
    kinds = [record["kind"] for record in records]
    # The sub-agent's last words come back as a prompt too, and are not taken for the user's.
    assert kinds.count("prompt.submitted") == 2
    decided = {r["call_id"]: r["verdict"] for r in records if r["kind"] == "tool_call.decided"}
    allowed = ("toolu_a1", "toolu_a2", "toolu_a4", "toolu_a5", "toolu_s1", "toolu_b1")
    assert decided == dict.fromkeys(allowed, "allow") | {"toolu_a3": "deny"}


def test_with_the_hooks_taken_out_the_first_result_stops_the_session_at_the_gateway(
    project, tmp_path
):
    prompt = scripted(use("Bash", "toolu_c1", command="echo ungoverned"), touch("later"))

    async def main() -> Any:
        async with await shop_session(project) as session:
            options = govern(
                ClaudeAgentOptions(
                    cwd=tmp_path, env={"HOME": str(tmp_path)}, model="claude-opus-5-5"
                ),
                session,
                bubblewrap=False,
            )
            _, ends = await run(prompt, replace(options, hooks=None))
            return await session.view(), ends

    view, ends = asyncio.run(main())
    assert view.state == "stopped"
    assert ends[-1].is_error
    assert not (tmp_path / "later").exists()


HOST = """
import asyncio, sys
from claude_agent_sdk import ClaudeAgentOptions, query
from holdfast.client import Session
from holdfast.integrations.claude_agent_sdk import govern

async def main(url, token, cwd, prompt):
    session = await Session.attach(url, token)
    options = ClaudeAgentOptions(cwd=cwd, env={"HOME": cwd}, model="claude-opus-5-5")
    async for _ in query(prompt=prompt, options=govern(options, session, bubblewrap=False)):
        pass

asyncio.run(main(*sys.argv[1:]))
"""


def wait_for(seen: Any, limit_s: float = 15.0) -> None:
    end = time.monotonic() + limit_s
    while not seen():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def test_after_the_host_is_killed_no_further_tool_runs(project, tmp_path):
    opened = project.open(user=f"user{next(USERS)}")
    prompt = scripted(
        use("Bash", "toolu_d1", command="touch started; sleep 1"),
        touch("after_1"),
        touch("after_2"),
    )
    arguments = [project.url, opened.token, str(tmp_path), prompt]
    source = str(Path(__file__).parents[2] / "src")
    host = subprocess.Popen(
        [sys.executable, "-c", HOST, *arguments], env={**os.environ, "PYTHONPATH": source}
    )
    try:
        wait_for((tmp_path / "started").exists)
    finally:
        host.kill()
        host.wait()
    folders = [folder for folder in Path("/proc").iterdir() if folder.name.isdecimal()]
    mark = f"HOLDFAST_SESSION={opened.session_id}".encode()

    def alive(folder: Path) -> bool:
        try:
            return mark in (folder / "environ").read_bytes()
        except OSError:
            return False

    of_session = [folder for folder in folders if alive(folder)]
    assert of_session, "the mark by which a kill finds the processes is there"
    wait_for(lambda: not any(map(alive, of_session)))
    assert not (tmp_path / "after_1").exists()
    assert not (tmp_path / "after_2").exists()


def test_a_server_that_dies_mid_turn_denies_every_later_call_and_ends_the_run(tmp_path):
    with RunningProject(tmp_path / "own", settings=SETTINGS, policies=POLICIES) as own:
        prompt = scripted(use("mcp__shop__stop_server", "toolu_e1", order="x"), touch("later"))

        async def main() -> Any:
            async with await shop_session(own) as session:
                options = ClaudeAgentOptions(
                    cwd=tmp_path,
                    env={"HOME": str(tmp_path)},
                    model="claude-opus-5-5",
                    mcp_servers=shop(own),
                )
                return await run(prompt, govern(options, session, bubblewrap=False))

        _, ends = asyncio.run(main())
    assert not (tmp_path / "later").exists()
    assert ends[-1].terminal_reason == "hook_stopped"
