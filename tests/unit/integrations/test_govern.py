import gc
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from claude_agent_sdk import AgentDefinition, ClaudeAgentOptions, HookMatcher

from holdfast.client import Session, SessionPlan
from holdfast.client.wire import Door, Pool
from holdfast.errors import ConfigInvalid
from holdfast.integrations.claude_agent_sdk import govern, surroundings

PLAN = SessionPlan(
    model="claude-sonnet-5",
    system_prompt="be kind",
    allowed_tools=("Bash", "WebFetch"),
    allowed_models=("claude-haiku-4-5",),
)


def session(plan=PLAN):
    return Session(Door(Pool("http://127.0.0.1:9"), "hfs_secret"), "ses_1", plan)


def governed(options=None, **given):
    return govern(options or ClaudeAgentOptions(), session(), bubblewrap=False, **given)


async def always(*_):
    return None


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("permission_mode", {"permission_mode": "bypassPermissions"}),
        ("permission_mode", {"permission_mode": "acceptEdits"}),
        ("permission_mode", {"permission_mode": "dontAsk"}),
        ("permission_mode", {"permission_mode": "auto"}),
        ("allowed_tools", {"allowed_tools": ["Read"]}),
        ("can_use_tool", {"can_use_tool": always}),
        ("permission_prompt_tool_name", {"permission_prompt_tool_name": "mcp__x__y"}),
        ("skills", {"skills": "all"}),
        ("setting_sources", {"setting_sources": ["project"]}),
        ("settings", {"settings": "{}"}),
        ("plugins", {"plugins": [{"type": "local", "path": "."}]}),
        ("sandbox", {"sandbox": {"enabled": True}}),
        ("sandbox", {"sandbox": {"enabled": True, "allowUnsandboxedCommands": False}}),
        ("cli_path", {"cli_path": "/bin/true"}),
        ("extra_args", {"extra_args": {"dangerously-skip-permissions": None}}),
        ("extra_args", {"extra_args": {"--bare": None}}),
        ("extra_args", {"extra_args": {"settings": "{}"}}),
        ("extra_args", {"extra_args": {"permission-mode": "acceptEdits"}}),
        ("extra_args", {"extra_args": {"a-flag-of-tomorrow": None}}),
        ("env", {"env": {"ANTHROPIC_BASE_URL": "http://evil"}}),
        ("env", {"env": {"anthropic_auth_token": "x"}}),
        ("env", {"env": {"CLAUDE_CODE_SUBPROCESS_ENV_SCRUB": "0"}}),
        ("env", {"env": {"CLAUDE_CONFIG_DIR": "/tmp"}}),
        ("env", {"env": {"claude_code_max_retries": "1"}}),
        ("env", {"env": {"CLAUDE_CODE_MAX_RETRIES": "1", "CLAUDE_CODE_X": "1"}}),
        ("env", {"env": {"HOLDFAST_SESSION": "other"}}),
        ("env", {"env": {"BUN_OPTIONS": "--preload x"}}),
        ("env", {"env": {"A; rm": "x"}}),
        ("fallback_model", {"fallback_model": "claude-opus-5"}),
        ("agents", {"agents": {"a": AgentDefinition("d", "p", permissionMode="acceptEdits")}}),
        ("agents", {"agents": {"a": AgentDefinition("d", "p", skills=["x"])}}),
        ("hooks", {"hooks": {"PermissionRequest": [HookMatcher(hooks=[])]}}),
        ("hooks", {"hooks": {"PreToolUse": [HookMatcher(matcher="[", hooks=[])]}}),
        ("resume", {"resume": "0b0e"}),
        ("continue_conversation", {"continue_conversation": True}),
    ],
)
def test_an_option_that_opens_a_hole_is_refused_by_name(name, options):
    with pytest.raises(ConfigInvalid) as caught:
        governed(ClaudeAgentOptions(**options))
    assert caught.value.message.startswith(f"{name}: ")


def test_the_options_given_are_not_changed_and_the_rest_of_them_stays():
    own: Any = {"PreToolUse": [HookMatcher(hooks=[always])]}
    env = {"LANG": "C", "CLAUDE_CODE_MAX_RETRIES": "1"}
    options = ClaudeAgentOptions(env=dict(env), hooks=own, max_budget_usd=1.0, add_dirs=["/x"])
    result = governed(options)
    assert result is not options
    assert options.env == env
    assert options.hooks is own
    assert result.env["CLAUDE_CODE_MAX_RETRIES"] == "1"
    assert options.cli_path is None
    assert (result.max_budget_usd, result.add_dirs) == (1.0, ["/x"])


def test_governed_options_close_every_known_hole():
    result = governed(ClaudeAgentOptions(disallowed_tools=["Monitor"]))
    assert result.setting_sources == []
    assert result.strict_mcp_config is True
    assert result.verbatim_prompts is True
    assert result.permission_mode == "default"
    assert result.allowed_tools == []
    assert result.can_use_tool is None
    assert result.disallowed_tools == [
        "Monitor",
        "Workflow",
        "WebSearch",
        "CronCreate",
        "ScheduleWakeup",
    ]
    assert (result.model, result.system_prompt) == ("claude-sonnet-5", "be kind")
    env = result.env
    assert env["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:9"
    # The session's own token opens the guard's door: it stays out of every environment.
    assert env["ANTHROPIC_AUTH_TOKEN"].startswith("hfm_")
    assert "hfs_secret" not in str(env)
    assert env["ANTHROPIC_API_KEY"] == ""
    assert env["HOLDFAST_SESSION"] == "ses_1"
    for name in (
        "CLAUDE_CODE_MCP_ALLOWLIST_ENV",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
        "CLAUDE_CODE_DISABLE_AUTO_MEMORY",
        "CLAUDE_CODE_DISABLE_DEFERRED_TOOL_RESUME",
    ):
        assert env[name] == "1"


def test_what_the_options_say_of_model_and_prompt_stands():
    result = governed(
        ClaudeAgentOptions(model="m", system_prompt="", fallback_model="claude-haiku-4-5")
    )
    assert (result.model, result.system_prompt) == ("m", "")


def test_a_session_without_a_plan_is_granted_none_of_the_tools_that_act_unasked():
    result = govern(ClaudeAgentOptions(), session(SessionPlan()), bubblewrap=False)
    assert "WebFetch" in result.disallowed_tools


def test_the_clis_folder_is_fresh_private_and_gone_with_the_last_copy_of_the_options():
    result = governed()
    folder = Path(result.env["CLAUDE_CONFIG_DIR"])
    assert folder.stat().st_mode & 0o777 == 0o700
    assert Path(governed().env["CLAUDE_CONFIG_DIR"]) != folder
    copy = dict(result.hooks or {})
    del result
    gc.collect()
    assert folder.is_dir()
    copy.clear()
    gc.collect()
    assert not folder.exists()


def test_a_folder_that_was_given_is_kept_and_can_be_resumed_from(tmp_path):
    result = governed(ClaudeAgentOptions(resume="0b0e"), config_dir=tmp_path / "kept")
    assert result.env["CLAUDE_CONFIG_DIR"] == str(tmp_path / "kept")
    del result
    gc.collect()
    assert (tmp_path / "kept").is_dir()


def test_a_proxy_of_the_users_does_not_see_the_gateways_token():
    result = governed(ClaudeAgentOptions(env={"HTTPS_PROXY": "http://proxy"}))
    assert result.env["NO_PROXY"] == "127.0.0.1"


def test_the_launcher_lets_nothing_of_the_host_through_but_what_is_listed(tmp_path):
    cli = tmp_path / "a cli"
    cli.write_text(
        f"#!{sys.executable}\nimport json, os, sys\nprint(json.dumps([dict(os.environ), sys.argv[1:]]))\n"
    )
    cli.chmod(0o700)
    options = ClaudeAgentOptions(cli_path=cli, env={"MINE": "a b\nc"})
    result = governed(options, allow_cli_path=True)
    host = {
        "PATH": os.environ["PATH"],
        "HOME": "/h",
        "AWS_SECRET_ACCESS_KEY": "x",
        "GITHUB_TOKEN": "x",
    }
    host |= {"LD_PRELOAD": "", "OPENAI_API_KEY": "x", "NODE_OPTIONS": "", "PYTHONPATH": "/evil"}
    host |= {"CLAUDE_CODE_ENTRYPOINT": "sdk-py", "CLAUDE_CODE_USE_BEDROCK": "1"}
    told = subprocess.run(
        [str(result.cli_path), "--a", "b c"], env=host | result.env, capture_output=True, check=True
    )
    seen, arguments = json.loads(told.stdout)
    assert arguments == ["--a", "b c"]
    for set_by_python_or_sh in ("LC_CTYPE", "PWD"):
        seen.pop(set_by_python_or_sh, None)
    assert set(seen) == {"PATH", "HOME", "CLAUDE_CODE_ENTRYPOINT", *result.env}
    assert seen["MINE"] == "a b\nc"
    script = Path(str(result.cli_path)).parent
    assert all(b"hfs_" not in path.read_bytes() for path in script.iterdir() if path.is_file())


def programs(folder, **bodies):
    for name, body in bodies.items():
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o700)


def test_without_bubblewrap_it_does_without_and_refuses_where_it_is_demanded(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    result = govern(ClaudeAgentOptions(), session())
    assert result.env["CLAUDE_CODE_SUBPROCESS_ENV_SCRUB"] == "0"
    with pytest.raises(ConfigInvalid, match="do not both work"):
        govern(ClaudeAgentOptions(), session(), bubblewrap=True)


@pytest.mark.parametrize(
    "there",
    [
        {"bwrap": "exit 0"},
        {"bwrap": "exit 1", "socat": "exit 0"},
        {"bwrap": "exit 0", "socat": "exit 1"},
    ],
)
def test_bubblewrap_that_does_not_work_is_as_if_it_was_not_there(monkeypatch, tmp_path, there):
    programs(tmp_path, **there)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigInvalid, match="do not both work"):
        govern(ClaudeAgentOptions(), session(), bubblewrap=True)


def test_what_is_started_does_not_depend_on_what_is_installed(monkeypatch, tmp_path):
    programs(tmp_path, bwrap="exit 0", socat="exit 0")
    monkeypatch.setenv("PATH", str(tmp_path))
    given = govern(ClaudeAgentOptions(), session()).env
    assert given["CLAUDE_CODE_SUBPROCESS_ENV_SCRUB"] == "0"
    asked = govern(ClaudeAgentOptions(), session(), bubblewrap=True).env
    assert asked["CLAUDE_CODE_SUBPROCESS_ENV_SCRUB"] == "1"


def test_a_cli_that_is_not_there_and_a_deadline_of_nothing_are_refused(tmp_path):
    with pytest.raises(ConfigInvalid, match="no claude code CLI"):
        governed(ClaudeAgentOptions(cli_path=tmp_path / "none"), allow_cli_path=True)
    with pytest.raises(ConfigInvalid, match="deadline_s"):
        governed(deadline_s=0)


def test_the_bundled_cli_is_where_we_look_for_it():
    assert surroundings.bundled_cli().is_file()
