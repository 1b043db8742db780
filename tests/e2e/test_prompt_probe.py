"""The probe for prompts, run: tools reach the hooks' token wherever our settings do not keep it."""

import os
from pathlib import Path
from typing import Any

import pytest

from holdfast.integrations import claude_code
from holdfast.integrations.claude_code_probe import why_readable
from tests.e2e.test_claude_code import BUNDLED

pytestmark = pytest.mark.part("claude-code")
READABLE = "its tools can read the token of its hooks"


@pytest.fixture
def on_path(tmp_path, monkeypatch) -> Path:
    (tmp_path / "claude").symlink_to(BUNDLED)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def changed(*drops: str) -> Any:
    """Settings as a session gets them, without some of what holds."""

    def settings(url: str) -> dict[str, Any]:
        made = claude_code._probed(url)
        for name in drops:
            made.pop(name, None)
            made.get("sandbox", {}).pop(name, None)
        return made

    return settings


@pytest.mark.part("bubblewrap", "socat")
def test_in_the_sandbox_no_tool_reads_the_token_and_the_hook_still_has_it(on_path):
    assert claude_code.why_unvouched(sandboxed=True) == ""


@pytest.mark.part("bubblewrap", "socat")
def test_a_sandbox_that_keeps_the_environment_is_seen_not_to_hold(on_path):
    assert why_readable(changed("credentials"), claude_code.HOOK_TOKEN) == READABLE


def test_without_a_sandbox_the_token_is_seen_to_be_readable(on_path):
    assert why_readable(changed("sandbox"), claude_code.HOOK_TOKEN) == READABLE


def test_without_hooks_or_without_the_cli_nothing_is_proved(on_path):
    assert "hook" in why_readable(changed("sandbox", "hooks"), claude_code.HOOK_TOKEN)
    (on_path / "claude").unlink()
    assert "no `claude`" in why_readable(changed(), claude_code.HOOK_TOKEN)
    assert "sandbox" in claude_code.why_unvouched(sandboxed=False)
