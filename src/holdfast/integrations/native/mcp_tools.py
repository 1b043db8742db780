"""Tools of MCP servers (stdio), started for one run; needs the extra `mcp`.

The idempotency key goes along as `_meta`. What a server marks as an error is its answer; a server
that dies or hangs has not answered. Not here: which tools there are (their contracts say).
"""

import asyncio
import os
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from holdfast.core.effects import TOOL_DIED, TOOL_FAILED, TOOL_TIMEOUT
from holdfast.core.writable import fault_of, text_of, written
from holdfast.errors import ConfigInvalid
from holdfast.integrations.native.python_tools import KEPT
from holdfast.model.attempts import ToolResult

KEY_META = "holdfast/idempotency-key"
_START_S = 30.0


def surroundings(environment: Mapping[str, str]) -> dict[str, str]:
    """What a server finds in its environment: no key of ours, and this Python's programs."""
    kept = {name: environment[name] for name in KEPT if name in environment}
    path = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", os.defpath)])
    return {**kept, "PATH": path}


class McpTools:
    """Connections to the servers of one run. Opened and closed by the same task."""

    def __init__(self, servers: Mapping[str, Any], session_id: str) -> None:
        self._servers = servers
        self._session_id = session_id
        self._stack = AsyncExitStack()
        self._sessions: dict[str, Any] = {}

    async def open(self, names: set[str], environment: Mapping[str, str]) -> None:
        """Start the servers. Errors: ConfigInvalid for one that does not start."""
        try:
            from mcp import ClientSession, StdioServerParameters  # noqa: PLC0415 - an extra
            from mcp.client.stdio import stdio_client  # noqa: PLC0415 - an extra
        except ImportError:
            raise ConfigInvalid(
                "MCP tools need the package `mcp`; install `holdfast[mcp]`"
            ) from None
        found = {**surroundings(environment), "HOLDFAST_SESSION": self._session_id}
        for name in sorted(names):
            told = self._servers[name]
            if told.get("type", "stdio") != "stdio" or not told.get("command"):
                raise ConfigInvalid(f"the MCP server `{name}` is not one that a command starts")
            parameters = StdioServerParameters(
                command=told["command"],
                args=[str(a) for a in told.get("args", [])],
                env={**found, **told.get("env", {})},
            )
            try:
                async with asyncio.timeout(_START_S):
                    streams = await self._stack.enter_async_context(stdio_client(parameters))
                    session = await self._stack.enter_async_context(ClientSession(*streams))
                    await session.initialize()
            except Exception as error:
                raise ConfigInvalid(
                    f"the MCP server `{name}` did not start: {type(error).__name__}"
                ) from error
            self._sessions[name] = session

    async def run(
        self, told: Mapping[str, Any], arguments: dict[str, Any], key: str, *, timeout_s: float
    ) -> ToolResult:
        """One call; never raises for what the server does."""
        session = self._sessions.get(str(told["server"]))
        if session is None:
            text = f"the MCP server `{told['server']}` is not running"
            return ToolResult(
                ok=False, error_code="tool_not_loaded", error=text, nothing_happened=True
            )
        try:
            async with asyncio.timeout(timeout_s):
                answer = await session.call_tool(
                    str(told["tool"]), arguments, meta={KEY_META: key} if key else None
                )
        except Exception as error:  # noqa: BLE001 - however a server fails, it did not answer
            late = isinstance(error, TimeoutError)
            text = f"the MCP server did not answer ({fault_of(error)})"[:2000]
            code = TOOL_TIMEOUT if late else TOOL_DIED
            return ToolResult(ok=False, error_code=code, error=text, uncertain=True)
        texts = [block.text for block in answer.content if getattr(block, "type", "") == "text"]
        said = "\n".join(texts)
        if answer.is_error:
            return ToolResult(ok=False, error_code=TOOL_FAILED, error=text_of(said, 4000))
        structured = getattr(answer, "structured_content", None)
        shown = written(structured if structured is not None else said)
        return ToolResult(ok=True, output=shown.value)

    async def close(self) -> None:
        """End the servers."""
        await self._stack.aclose()
