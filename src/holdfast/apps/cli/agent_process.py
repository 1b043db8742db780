"""The agent's own process: the Claude Agent SDK with its bundled CLI, governed.

Not here: what a session may do, and whether it may do it.
"""

import asyncio
import logging
import os
import sys
import warnings
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from holdfast.apps.cli.printing import note
from holdfast.client import Session, SessionPlan
from holdfast.errors import ConfigInvalid, HoldfastError

if TYPE_CHECKING:
    from claude_agent_sdk import ClaudeAgentOptions, ClaudeSDKClient, ResultMessage

MCP_TIMEOUT_S = 60.0
_POLL_S = 0.05


class Spoken(msgspec.Struct, frozen=True, kw_only=True):
    """What the agent said last; `fault` is what its program reported, empty when it ended well."""

    text: str = ""
    fault: str = ""


async def agent_options(session: Session, cwd: Path) -> "ClaudeAgentOptions":
    """Governed options for the session's plan.

    Errors: ConfigInvalid when the SDK is not installed, and whatever `govern` refuses.
    """
    try:
        from claude_agent_sdk import ClaudeAgentOptions

        from holdfast.integrations.claude_agent_sdk import govern
    except ImportError:
        raise ConfigInvalid(
            "the Claude Agent SDK is not installed; install `holdfast[claude]`"
        ) from None
    plan = session.plan
    # MCP servers that say `python3` mean the interpreter that has the packages of this project.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    options = ClaudeAgentOptions(
        cwd=cwd,
        tools=builtin_tools(plan),
        mcp_servers=dict(plan.mcp_servers),
        env={"PATH": path},
    )
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        governed = govern(options, session)
    for warning in raised:
        note(str(warning.message), style="yellow")
    return governed


async def _tools_ready(agent: "ClaudeSDKClient") -> None:
    """Wait for the MCP servers: a model that is asked before they are there is not shown them.

    Errors: ConfigInvalid for one that does not start.
    """
    deadline = asyncio.get_running_loop().time() + MCP_TIMEOUT_S
    while True:
        servers = (await agent.get_mcp_status())["mcpServers"]
        for server in servers:
            if server["status"] not in ("connected", "pending"):
                why = server.get("error") or server["status"]
                raise ConfigInvalid(f"the MCP server `{server['name']}` did not start: {why}")
        waiting = [server["name"] for server in servers if server["status"] == "pending"]
        if not waiting:
            return
        if asyncio.get_running_loop().time() > deadline:
            raise ConfigInvalid(
                f"the MCP server `{waiting[0]}` did not start within {MCP_TIMEOUT_S:g} s"
            )
        await asyncio.sleep(_POLL_S)


def quiet_sdk() -> None:
    """Keep the SDK's own log off the terminal: what it reports is raised to us as well."""
    log = logging.getLogger("claude_agent_sdk")
    log.addHandler(logging.NullHandler())
    log.propagate = False


def builtin_tools(plan: SessionPlan) -> list[str]:
    """The CLI's own tools among those that the agent may use: no other is even offered."""
    return [name for name in plan.allowed_tools if not name.startswith("mcp__")]


def _spoken(message: "ResultMessage") -> Spoken:
    text = message.result or ""
    failed = message.is_error or message.subtype != "success"
    return Spoken(text=text, fault=(text or message.subtype) if failed else "")


async def drive(
    prompt: str, options: "ClaudeAgentOptions", interrupted: Callable[[], Awaitable[object]]
) -> Spoken:
    """Run the agent to its end; what goes wrong in it is a fault of it, not an exception.

    `interrupted` is called when the task is cancelled, before the agent's program is asked to
    end: it takes its time to, and would work on meanwhile.
    """
    from claude_agent_sdk import ClaudeSDKClient, ResultMessage

    quiet_sdk()
    spoken = Spoken(fault="the agent ended without a result")
    try:
        async with ClaudeSDKClient(options) as agent:
            try:
                await _tools_ready(agent)
                await agent.query(prompt)
                async for message in agent.receive_response():
                    if isinstance(message, ResultMessage):
                        spoken = _spoken(message)
            except asyncio.CancelledError:
                await interrupted()
                raise
    except HoldfastError:
        raise
    except Exception as fault:  # noqa: BLE001 - the SDK raises bare Exception, too
        return Spoken(fault=f"the agent's program failed: {fault}")
    return spoken
