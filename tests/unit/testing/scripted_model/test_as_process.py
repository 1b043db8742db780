"""The scripted model as its own process, and the Claude Code CLI playing a script end to end."""

import asyncio
import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import claude_agent_sdk as sdk
import pytest

import holdfast
from holdfast.testing.scripted_model import ScriptedModel, call, say

SOURCE = str(Path(holdfast.__file__).parents[1])


def test_process_says_its_url_plays_the_file_and_shows_what_was_asked(tmp_path):
    script = tmp_path / "s.yaml"
    script.write_text("turns:\n- text: from a file\n")
    command = [sys.executable, "-m", "holdfast.testing.scripted_model", "--script", str(script)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": SOURCE}
    ) as process:
        try:
            assert process.stdout is not None
            url = json.loads(process.stdout.readline())["url"]
            body = {
                "model": "claude-sonnet-5",
                "max_tokens": 9,
                "messages": [{"role": "user", "content": "x"}],
            }
            headers = {"x-api-key": "k", "anthropic-version": "2023-06-01"}
            sent = urllib.request.Request(
                f"{url}/v1/messages?beta=true", json.dumps(body).encode(), headers
            )
            with urllib.request.urlopen(sent) as reply:
                assert json.loads(reply.read())["content"][0]["text"] == "from a file"
            with urllib.request.urlopen(
                urllib.request.Request(f"{url}/api/hello", method="HEAD")
            ) as hello:
                assert hello.status == 200
            with urllib.request.urlopen(f"{url}/_scripted/requests") as reply:
                seen = json.loads(reply.read())
            assert [(item["method"], item["path"]) for item in seen] == [
                ("POST", "/v1/messages"),
                ("HEAD", "/api/hello"),
            ]
        finally:
            process.terminate()


def test_script_that_cannot_be_played_ends_the_process_with_a_reason(tmp_path):
    script = tmp_path / "s.json"
    script.write_text('{"turns": [{"txet": "x"}]}')
    command = [sys.executable, "-m", "holdfast.testing.scripted_model", "--script", str(script)]
    done = subprocess.run(
        command, capture_output=True, env={**os.environ, "PYTHONPATH": SOURCE}, check=False
    )
    assert done.returncode == 2
    assert b"txet" in done.stderr


@pytest.mark.part("claude-code")
def test_claude_code_runs_a_scripted_tool_call_end_to_end(tmp_path, monkeypatch):
    for name in list(os.environ):
        if name.startswith(("ANTHROPIC_", "CLAUDE")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))

    async def run(url):
        options = sdk.ClaudeAgentOptions(
            cwd=tmp_path,
            setting_sources=[],
            allowed_tools=["Bash"],
            env={
                "ANTHROPIC_BASE_URL": url,
                "ANTHROPIC_API_KEY": "key",
                "CLAUDE_CONFIG_DIR": str(tmp_path / "config"),
                "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            },
        )
        return [message async for message in sdk.query(prompt="run it", options=options)]

    script = [
        call("Bash", {"command": "echo sum-$((40+2))"}),
        say("it printed {{last_tool_result}}"),
    ]
    with ScriptedModel(script) as server:
        messages = asyncio.run(run(server.url))
        turns = [(record.turn, record.status) for record in server.message_requests]
    assert messages[-1].result == "it printed sum-42"
    assert turns == [(0, 200), (1, 200)]
