"""MCP servers of this process: their tools are waited for no longer than their contracts say.

The CLI knows one time-out for all tools; such a tool runs here, where it can be ended. Not here:
what a call that gave no answer means (`core/effects`).
"""

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mcp.types import CallToolRequestParams, CallToolResult

from holdfast.core.effects import TOOL_TIMEOUT
from holdfast.tools.calling import Late, in_time

from .contexts import CONTEXTS


def own_names(servers: Mapping[str, Any]) -> list[str]:
    """Names of the servers that run in this process."""
    return [name for name, told in servers.items() if told.get("type") == "sdk"]


def timed(servers: Mapping[str, Any]) -> dict[str, Any]:
    """The servers of options; those of this process as copies that end a tool that is late."""
    own = own_names(servers)
    return {
        name: {**told, "instance": _timed(name, told["instance"])} if name in own else told
        for name, told in servers.items()
    }


def _timed(name: str, server: Any) -> Any:
    if not hasattr(server, "get_request_handler"):
        # The protocol's library before its second version lets nobody in between.
        return server

    def found(method: str) -> Any:
        entry = server.get_request_handler(method)
        if method != "tools/call" or entry is None:
            return entry

        async def ending(context: Any, asked: CallToolRequestParams) -> Any:
            limit_s = CONTEXTS.limit_s(f"mcp__{name}__{asked.name}", asked.arguments or {})
            try:
                return await in_time(lambda: entry.handler(context, asked), limit_s)
            except Late:
                return _late(limit_s)

        return replace(entry, handler=ending)

    other = copy.copy(server)
    other.get_request_handler = found
    return other


def _late(limit_s: float) -> CallToolResult:
    said = f"{TOOL_TIMEOUT}: the tool did not answer within {limit_s:g} s"
    content = [{"type": "text", "text": said}]
    return CallToolResult.model_validate({"content": content, "isError": True})
