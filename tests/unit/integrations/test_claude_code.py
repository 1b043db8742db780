"""The settings file for Claude Code: what it closes, what it holds, where it is written."""

import json
import stat

import msgspec
import pytest

from holdfast.apps.control.guard.claude_code import PATH
from holdfast.backends.system.clock import SystemEntropy
from holdfast.client import Session, SessionPlan
from holdfast.client.wire import Door, Pool
from holdfast.core.scrub import RuleScrubber
from holdfast.errors import Conflict, InvalidRequest
from holdfast.integrations import claude_code
from holdfast.model.tokens import hook_token, model_token
from tests.tidy.repository import ROOT

PLAN = SessionPlan(model="claude-opus-5-5", allowed_tools=("Bash", "WebFetch"))
URL = "http://127.0.0.1:8787"


def session(plan=PLAN):
    return Session(Door(Pool(URL), "hfs_secret"), "ses_1", plan)


def test_every_event_asks_the_server_without_a_matcher_and_blocks_when_it_cannot():
    hooks = claude_code.settings(session())["hooks"]
    assert set(hooks) == set(claude_code.EVENTS)
    for matchers in hooks.values():
        (only,) = matchers
        assert "matcher" not in only
        (hook,) = only["hooks"]
        assert (hook["type"], hook["url"], hook["onFailure"]) == ("http", URL + PATH, "block")
        assert hook["headers"] == {"Authorization": "Bearer $HOLDFAST_HOOK_TOKEN"}
        assert hook["allowedEnvVars"] == ["HOLDFAST_HOOK_TOKEN"]


def test_before_a_tool_the_cli_waits_for_people_and_tells_the_server_how_long():
    plan = msgspec.structs.replace(PLAN, approval_wait_s=120)
    hooks = claude_code.settings(session(plan))["hooks"]
    told = {e: (m[0]["hooks"][0]["timeout"], m[0]["hooks"][0]["headers"]) for e, m in hooks.items()}
    waits_s, headers = told.pop("PreToolUse")
    assert (waits_s, headers["Holdfast-Waits-S"]) == (180, "120")
    assert {waits_s for waits_s, _ in told.values()} == {60}
    assert all(set(headers) == {"Authorization"} for _, headers in told.values())


def test_no_tool_that_is_installed_takes_the_hooks_their_token(monkeypatch, tmp_path):
    (tmp_path / "bwrap").write_text("#!/bin/sh\n")
    (tmp_path / "bwrap").chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert claude_code.settings(session())["env"]["CLAUDE_CODE_SUBPROCESS_ENV_SCRUB"] == "0"


def test_the_sandbox_lets_the_hooks_reach_the_server_and_nothing_else():
    sandbox = claude_code.settings(session(), sandboxed=True)["sandbox"]
    assert sandbox["network"] == {"allowedDomains": ["127.0.0.1:8787"]}
    assert sandbox["allowUnsandboxedCommands"] is False
    assert "sandbox" not in claude_code.settings(session())


def test_nothing_in_another_settings_file_shuts_the_hooks_out():
    made = claude_code.settings(session())
    assert made["disableAllHooks"] is False
    assert made["allowedHttpHookUrls"] == [URL + PATH]
    assert made["httpHookAllowedEnvVars"] == ["HOLDFAST_HOOK_TOKEN"]


def test_no_open_mode_is_left_and_ungranted_tools_are_off():
    made = claude_code.settings(session())
    rules = made["permissions"]
    assert (rules["disableBypassPermissionsMode"], made["disableAutoMode"]) == ("disable",) * 2
    assert set(claude_code.UNGRANTED_TOOLS) - set(rules["deny"]) == {"WebFetch"}
    assert "allow" not in rules


def test_the_file_holds_the_models_token_and_neither_of_the_others():
    spelled = json.dumps(claude_code.settings(session()))
    assert model_token("ses_1", "hfs_secret") in spelled
    assert hook_token("ses_1", "hfs_secret") not in spelled
    assert "hfs_" not in spelled


def test_no_token_of_whoever_opened_the_session_is_left_to_its_tools():
    given = claude_code.settings(session())["env"]
    names = ("HOLDFAST_KEY", "HOLDFAST_OPERATOR_TOKEN", "HOLDFAST_ADMIN_TOKEN")
    assert [given[name] for name in (*names, "HOLDFAST_WORKER_TOKEN")] == [""] * 4


def test_the_cli_is_started_with_all_that_a_kill_and_the_hooks_need():
    given = claude_code.environment(session())
    assert given == {
        "ANTHROPIC_BASE_URL": URL,
        "ANTHROPIC_AUTH_TOKEN": model_token("ses_1", "hfs_secret"),
        "HOLDFAST_HOOK_TOKEN": hook_token("ses_1", "hfs_secret"),
        "HOLDFAST_SESSION": "ses_1",
    }


def test_the_managed_settings_of_the_page_are_those_that_are_made():
    made = claude_code.managed_settings(URL)
    assert "env" not in made
    page = (ROOT / "docs" / "howto" / "govern-claude-code.md").read_text(encoding="utf-8")
    (shown,) = [part.split("```")[0] for part in page.split("```json")[1:]]
    assert json.loads(shown) == made


def test_the_files_are_their_owners_alone_and_may_be_written_again(tmp_path):
    folder = claude_code.own_folder(tmp_path / "deep" / "er")
    (folder / "settings.json").touch(0o666)
    (folder / "settings.json").write_text(json.dumps(claude_code.settings(session())))
    plan = msgspec.structs.replace(PLAN, mcp_servers={"shop": {"command": "python3"}})
    claude_code.write_settings(session(), claude_code.own_folder(folder))
    start = claude_code.write_settings(session(plan), claude_code.own_folder(folder))
    assert start[start.index("--settings") + 1] == str(folder / "settings.json")
    assert start[start.index("--setting-sources") + 1] == ""
    assert {"--strict-mcp-config", str(folder / "mcp.json")} <= set(start)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads((folder / "settings.json").read_text()) == claude_code.settings(session(plan))
    assert json.loads((folder / "mcp.json").read_text())["mcpServers"] == plan.mcp_servers


def test_settings_of_something_else_are_not_overwritten(tmp_path):
    (tmp_path / "settings.json").write_text('{"model": "opus"}')
    with pytest.raises(Conflict, match="name another folder"):
        claude_code.own_folder(tmp_path)
    assert (tmp_path / "settings.json").read_text() == '{"model": "opus"}'


def test_a_folder_that_is_none_and_a_link_are_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InvalidRequest, match="cannot write into"):
        claude_code.own_folder(tmp_path / "file")
    (tmp_path / "settings.json").symlink_to(tmp_path / "target")
    with pytest.raises(InvalidRequest, match="cannot write into"):
        claude_code.write_settings(session(), tmp_path)
    assert not (tmp_path / "target").exists()


def test_every_token_of_a_session_is_taken_out_of_text():
    entropy = SystemEntropy()
    session_id, token = entropy.new_id("ses"), entropy.new_token("hfs")
    for secret in (token, model_token(session_id, token), hook_token(session_id, token)):
        assert RuleScrubber().text(f"x={secret} y") == "x=<secret:holdfast_token> y"
