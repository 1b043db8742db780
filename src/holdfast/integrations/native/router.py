"""Which implementation runs a tool call, for one run: Python, HTTP or MCP.

Credentials are looked up here, by the name that the server gave for this run's tenant; another
tenant's is never named. Not here: whether a call may run (`runtime/guard`).
"""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

from holdfast.errors import Unavailable
from holdfast.integrations.native.http_tools import HttpTools
from holdfast.integrations.native.mcp_tools import McpTools
from holdfast.integrations.native.python_tools import PythonTools
from holdfast.integrations.native.scratch import Scratch
from holdfast.model.attempts import Probed, ToolResult
from holdfast.ports.sandbox import Sandbox
from holdfast.tools.declared import ToolContext
from holdfast.tools.lease import Lease


class Router:
    """The tools of one run; open it and close it. Nothing begins past its `lease`."""

    def __init__(
        self,
        tools: Mapping[str, Any],
        mcp_servers: Mapping[str, Any],
        *,
        session_id: str,
        environment: Mapping[str, str],
        lease: Lease,
        sandbox: Sandbox,
    ) -> None:
        self._tools = tools
        self._lease = lease
        self._sandbox = sandbox
        self._session_id = session_id
        self._environment = dict(environment)
        self._scratch = Scratch()
        self._python: dict[str, PythonTools] = {}
        self._http = HttpTools(environment)
        self._mcp = McpTools(mcp_servers, session_id)

    async def open(self) -> None:
        """Start what has to run beforehand. Errors: ConfigInvalid, Unavailable."""
        try:
            self._environment["TMPDIR"] = str(await self._scratch.open())
        except OSError as error:
            why = (error.strerror or type(error).__name__).lower()
            raise Unavailable(f"there is no folder for what tools write: {why}") from error
        servers = {
            str(one["run"]["server"]) for one in self._tools.values() if one["run"]["kind"] == "mcp"
        }
        if servers:
            await self._mcp.open(servers, self._environment)

    async def run(
        self, name: str, arguments: dict[str, Any], *, key: str, attempt: int, call_id: str
    ) -> ToolResult:
        """One attempt; whatever the tool does, a result comes back within its time-out.

        Errors: LeaseLost, and nothing was begun.
        """
        told = self._tools.get(name)
        if told is None:
            text = f"there is no tool `{name}`"
            return ToolResult(
                ok=False, error_code="unknown_tool", error=text, nothing_happened=True
            )
        how, timeout_s = told["run"], float(told["timeout_s"])
        most = int(told["max_output_bytes"])
        await self._lease.held()
        if how["kind"] == "http":
            return await self._http.run(
                how, arguments, key, timeout_s=timeout_s, max_output_bytes=most
            )
        if how["kind"] == "mcp":
            return await self._mcp.run(how, arguments, key, timeout_s=timeout_s)
        context = ToolContext(key=key, attempt=attempt, call_id=call_id, session=self._session_id)
        return await self._host(how).run(
            str(how["target"]), arguments, context, timeout_s=timeout_s, max_output_bytes=most
        )

    async def probe(self, name: str, arguments: dict[str, Any], *, key: str) -> Probed:
        """Ask the tool whether an earlier attempt under this key took. Errors: LeaseLost."""
        told = self._tools.get(name)
        if told is None:
            return Probed(found="cannot_tell")
        how, timeout_s = told["run"], float(told["timeout_s"])
        if how["kind"] == "http":
            return await self._http.probe(how, arguments, key, timeout_s=timeout_s)
        if how["kind"] != "python":
            return Probed(found="cannot_tell")
        context = ToolContext(key=key, session=self._session_id)
        target = str(how.get("probe") or how["target"])
        return await self._host(how).probe(target, arguments, context, timeout_s=timeout_s)

    def _host(self, how: Mapping[str, Any]) -> PythonTools:
        folder = str(how["folder"])
        if folder not in self._python:
            given = (folder, self._session_id, self._environment, self._lease, self._sandbox)
            self._python[folder] = PythonTools(*given)
        return self._python[folder]

    async def close(self) -> None:
        """End everything that was started, whatever of it does not end well; the folder last."""
        async with AsyncExitStack() as ends:
            ends.push_async_callback(self._scratch.close)
            ends.push_async_callback(self._mcp.close)
            ends.push_async_callback(self._http.close)
            await asyncio.gather(*(host.close() for host in self._python.values()))
