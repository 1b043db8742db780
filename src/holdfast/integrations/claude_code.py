"""Claude Code itself under a session: its settings file asks the guard, and nothing is installed.

The CLI posts each event to the server's route for it. Both locks are needed: `onFailure: block`
where no answer comes before a call, and an answer that refuses where the server has one to give.
Not here: what is answered (the server), the Agent SDK's options (`integrations/claude_agent_sdk`).
"""

import json
import os
import shutil
import stat
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from holdfast.client import Session
from holdfast.client.discovery import TOKEN_VARIABLES
from holdfast.errors import Conflict, InvalidRequest
from holdfast.integrations.claude_code_probe import why_readable

UNGRANTED_TOOLS = ("Workflow", "WebFetch", "WebSearch", "CronCreate", "ScheduleWakeup")
"""Off unless the session's plan names them: they act where no hook of ours is asked."""

EVENTS = ("PreToolUse", "PostToolUse", "PostToolUseFailure", "UserPromptSubmit", "PreCompact")
HOOK_PATH = "/v1/guard/claude-code"
HOOK_TOKEN = "HOLDFAST_HOOK_TOKEN"  # noqa: S105 -- the name of the variable
HOOK_TIMEOUT_S = 60
# As long as `approvals.wait_s` is unless the server says otherwise.
MANAGED_WAIT_S = 300
_PROBE_S = 10
_SANDBOX = {
    "enabled": True,
    "autoAllowBashIfSandboxed": False,
    "allowUnsandboxedCommands": False,
    "excludedCommands": [],
}
SETTINGS, SERVERS = "settings.json", "mcp.json"


def sandbox_holds() -> bool:
    """Whether Claude Code can sandbox commands here: bubblewrap isolates, and socat runs."""
    bwrap, socat = shutil.which("bwrap"), shutil.which("socat")
    if bwrap is None or socat is None:
        return False
    isolated = [bwrap, "--ro-bind", "/", "/", "--dev", "/dev", "--unshare-net", "--unshare-pid"]
    for command in ([*isolated, "--proc", "/proc", "true"], [socat, "-V"]):
        try:
            done = subprocess.run(command, capture_output=True, timeout=_PROBE_S, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return False
        if done.returncode != 0:
            return False
    return True


def settings(session: Session, *, sandboxed: bool = False) -> dict[str, Any]:
    """What the settings file holds: the hooks, what is off, and where the model is.

    The token of the hooks is not in it; the CLI takes it from its environment. `sandboxed` has the
    CLI run each command in its sandbox, none outside of it.
    """
    plan = session.plan
    chosen = {"model": plan.model} if plan.model else {}
    return {
        **_closed(session.base_url, plan.allowed_tools, round(plan.approval_wait_s)),
        **chosen,
        **({"sandbox": _sandbox(session)} if sandboxed else {}),
        "env": {
            **cli_environment(session),
            # Whoever opened the session may have it in the shell that the CLI is started from.
            **dict.fromkeys(TOKEN_VARIABLES, ""),
            # It empties the variable that the hooks take their token from, and leaves empty files
            # in the project and the home.
            "CLAUDE_CODE_SUBPROCESS_ENV_SCRUB": "0",
        },
    }


def _sandbox(session: Session) -> dict[str, Any]:
    """The CLI sends its hooks through the sandbox's proxy, so that has to know the server."""
    return _sandbox_of({session.base_url, session.model_url})


def _sandbox_of(urls: Iterable[str]) -> dict[str, Any]:
    servers = {urlsplit(url).netloc for url in urls}
    return {
        **_SANDBOX,
        "network": {"allowedDomains": sorted(servers)},
        # Its hooks take it from the CLI's own environment; commands do without.
        "credentials": {"envVars": [{"name": HOOK_TOKEN, "mode": "deny"}]},
    }


def why_unvouched(*, sandboxed: bool) -> str:
    """Why prompts under these hooks vouch for nothing here; empty where they were seen to hold.

    Starts the CLI once, as a session would, against a model of this process's own.
    """
    if not sandboxed:
        return "without a sandbox its tools can read the token of its hooks"
    return why_readable(_probed, HOOK_TOKEN)


def _probed(url: str) -> dict[str, Any]:
    """Settings as a session gets them, for a server that is tried."""
    return {
        **_closed(url, ()),
        "sandbox": _sandbox_of({url}),
        "env": {"ANTHROPIC_BASE_URL": url, "CLAUDE_CODE_SUBPROCESS_ENV_SCRUB": "0"},
    }


def managed_settings(
    base_url: str, granted: Sequence[str] = (), *, waits_s: int = MANAGED_WAIT_S
) -> dict[str, Any]:
    """What an operator puts in `managed-settings.json`: it holds for every session there.

    `waits_s` is how long the CLI holds a call that a person is asked about (`approvals.wait_s`).
    No flag, no other settings file and no tool of the agent takes it away.
    """
    return {
        **_closed(base_url, granted, waits_s),
        "allowManagedHooksOnly": True,
        "allowManagedPermissionRulesOnly": True,
    }


def environment(session: Session) -> dict[str, str]:
    """What the CLI is started with. A kill finds its processes by the last of these."""
    return {
        "ANTHROPIC_BASE_URL": session.model_url,
        "ANTHROPIC_AUTH_TOKEN": session.model_token,
        HOOK_TOKEN: session.hook_token,
        "HOLDFAST_SESSION": session.session_id,
    }


def cli_environment(session: Session) -> dict[str, str]:
    """Variables that the CLI always has under a session, however it was started.

    It knows one time-out for all tools of MCP servers; of each tool's own the server has the say.
    """
    timeout_ms = round(session.plan.tool_timeout_s * 1000)
    return {
        **({"MCP_TOOL_TIMEOUT": str(timeout_ms)} if timeout_ms else {}),
        "ANTHROPIC_BASE_URL": session.model_url,
        # Tools can read it there: it opens the model's door, which is metered, and no other.
        "ANTHROPIC_AUTH_TOKEN": session.model_token,
        "ANTHROPIC_API_KEY": "",
        "CLAUDE_CODE_MCP_ALLOWLIST_ENV": "1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_CODE_DISABLE_AUTO_MEMORY": "1",
        "CLAUDE_CODE_DISABLE_DEFERRED_TOOL_RESUME": "1",
        "HOLDFAST_SESSION": session.session_id,
    }


def own_folder(folder: Path) -> Path:
    """A folder for the files of a session, made if it is not there; its whole path.

    Errors: InvalidRequest when it cannot be made or written into, Conflict when there are settings
    in it that Holdfast did not write.
    """
    folder = folder.expanduser().absolute()
    path = folder / SETTINGS
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        known = not path.exists() or HOOK_PATH in path.read_text("utf-8", "replace")
    except OSError as error:
        raise _unwritable(folder, error) from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InvalidRequest(f"cannot write into `{folder}`: permission denied")
    if not known:
        raise Conflict(f"`{path}` holds settings of something else; name another folder")
    return folder


def write_settings(session: Session, folder: Path, *, sandboxed: bool = False) -> list[str]:
    """Write the files of a session, for their owner alone; the command that starts the CLI.

    The command leaves out the user's and the project's own settings and MCP servers: a hook in
    them can rewrite what the guard decided. Errors: InvalidRequest when they cannot be written.
    """
    path, servers = folder / SETTINGS, folder / SERVERS
    command = ["claude", "--settings", str(path), "--setting-sources", "", "--strict-mcp-config"]
    try:
        _write(path, settings(session, sandboxed=sandboxed))
        if session.plan.mcp_servers:
            _write(servers, {"mcpServers": session.plan.mcp_servers})
            command += ["--mcp-config", str(servers)]
    except OSError as error:
        raise _unwritable(folder, error) from None
    return command


def _unwritable(folder: Path, error: OSError) -> InvalidRequest:
    why = (error.strerror or type(error).__name__).lower()
    return InvalidRequest(f"cannot write into `{folder}`: {why}")


def _closed(base_url: str, granted: Sequence[str], waits_s: int = 0) -> dict[str, Any]:
    """Hooks that cannot be passed by, and no mode that runs calls without them."""
    url = base_url + HOOK_PATH
    return {
        "hooks": {
            event: [{"hooks": [_hook(url, waits_s if event == "PreToolUse" else 0)]}]
            for event in EVENTS
        },
        "disableAllHooks": False,
        # Other settings that list some would shut ours out.
        "allowedHttpHookUrls": [url],
        "httpHookAllowedEnvVars": [HOOK_TOKEN],
        "permissions": {
            "deny": [name for name in UNGRANTED_TOOLS if name not in granted],
            # Should the hooks be lost, whatever needs consent is refused or asked about.
            "defaultMode": "default",
            "disableBypassPermissionsMode": "disable",
        },
        "disableAutoMode": "disable",
    }


def _hook(url: str, waits_s: int) -> dict[str, Any]:
    """One that asks the server, and waits so long for a person's answer, as it says to both."""
    waits = {"Holdfast-Waits-S": str(waits_s)} if waits_s else {}
    return {
        "type": "http",
        "url": url,
        "timeout": HOOK_TIMEOUT_S + waits_s,
        "headers": {"Authorization": f"Bearer ${HOOK_TOKEN}", **waits},
        "allowedEnvVars": [HOOK_TOKEN],
        "onFailure": "block",
    }


def _write(path: Path, document: dict[str, Any]) -> None:
    """Owner only from the first byte, and never through a link. Errors: OSError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    with os.fdopen(os.open(path, flags, 0o600), "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), stat.S_IRUSR | stat.S_IWUSR)
        json.dump(document, file, indent=2)
        file.write("\n")
