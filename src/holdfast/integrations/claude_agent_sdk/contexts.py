"""What a tool in this process may know of the call that it runs for: its idempotency key above all.

The CLI hands an in-process tool its arguments and nothing else, so the key is found by them: the
hook before the call noted it. Not here: deciding (`governor`).
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from holdfast.core.canonical import digest
from holdfast.errors import Conflict, PermitInvalid
from holdfast.model.views.calls import Ruling
from holdfast.tools.declared import ToolContext


class _Running(msgspec.Struct, frozen=True):
    tool: str
    digest: str
    context: ToolContext
    timeout_s: float


class Contexts:
    """The calls that were allowed here and have not ended, of every governed session."""

    def __init__(self) -> None:
        self._running: dict[tuple[str, str], _Running] = {}

    def begin(self, session: str, call_id: str, tool: str, ruling: Ruling) -> None:
        """A call is about to run with the ruling's arguments."""
        spelled = digest(ruling.arguments)
        if isinstance(spelled, str):
            context = ToolContext(key=ruling.effect_key, call_id=call_id, session=session)
            self._running[session, call_id] = _Running(tool, spelled, context, ruling.timeout_s)

    def end(self, session: str, call_id: str) -> None:
        """It ended; idempotent."""
        self._running.pop((session, call_id), None)

    def find(self, tool: str, arguments: Mapping[str, Any]) -> ToolContext:
        """The call of this tool with these arguments. Errors: PermitInvalid, Conflict."""
        found = {one.context.key: one.context for one in self._found(tool, arguments)}
        if not found:
            raise PermitInvalid("no call of this tool with these arguments is allowed now")
        if len(found) > 1:
            raise Conflict("several calls of this tool run with these arguments now")
        return next(iter(found.values()))

    def limit_s(self, tool: str, arguments: Mapping[str, Any]) -> float:
        """How long such a call may take by its contract; 0 for good."""
        return max((one.timeout_s for one in self._found(tool, arguments)), default=0.0)

    def _found(self, tool: str, arguments: Mapping[str, Any]) -> list[_Running]:
        spelled = digest(dict(arguments))
        return [
            one
            for one in self._running.values()
            if one.digest == spelled and (one.tool == tool or one.tool.endswith(f"__{tool}"))
        ]


CONTEXTS = Contexts()
"""Those of this process."""


def tool_context(tool: str, arguments: Mapping[str, Any]) -> ToolContext:
    """Inside an SDK tool: what it may know of its call, with the idempotency key for its service.

    `tool` is the tool's own name or the one on the wire (`refund`, `mcp__shop__refund`).
    Errors: PermitInvalid where no such call is allowed now; Conflict where two sessions of this
    process run it with the same arguments, and the key would be a guess.
    """
    return CONTEXTS.find(tool, arguments)
