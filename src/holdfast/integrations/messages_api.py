"""A governed tool step for programs that run their own loop over the Messages API.

    tools = guarded_tools(session, {"get_order": get_order})
    results = await tools.results(message.content)   # tool_result blocks for the next request

Each `tool_use` is decided, its permit checked and used up, the function run, the outcome
reported. The client of the model must speak to Holdfast's address with the session's token; the
gateway knows which calls the model made. Not here: the loop, and rules of any kind.
"""

import json
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from holdfast.client import Session
from holdfast.core.writable import fault_of
from holdfast.errors import HoldfastError, InvalidRequest
from holdfast.integrations.permits import PermitCheck
from holdfast.model.decisions import Verdict

DOOR = "messages_api"
ToolFunction = Callable[[dict[str, Any]], Awaitable[Any]]
"""Takes the arguments that may run, returns any JSON value."""


class GuardedTools:
    """Runs the tool calls of one session, each under its own permit."""

    def __init__(
        self, session: Session, functions: Mapping[str, ToolFunction], permits: PermitCheck
    ) -> None:
        self._session = session
        self._functions = dict(functions)
        self._permits = permits

    async def results(self, content: Iterable[Any]) -> list[dict[str, Any]]:
        """One `tool_result` block for each `tool_use` in a message's content, in order.

        `content` holds the SDK's blocks or plain dicts. A refused or failed call gives an
        `is_error` block; a call whose outcome could not be reported ends in the error instead,
        since the model may not read what was not recorded. Errors: HoldfastError.
        """
        calls = [block for block in map(_as_dict, content) if block.get("type") == "tool_use"]
        return [await self._answer(block) for block in calls]

    async def _answer(self, block: dict[str, Any]) -> dict[str, Any]:
        call_id, tool, arguments = block["id"], block["name"], block["input"]
        try:
            ruling = await self._session.decide(call_id, tool, arguments, door=DOOR)
            if ruling.verdict is not Verdict.ALLOW:
                return _result(
                    call_id, ruling.message or f"holdfast said {ruling.verdict}", failed=True
                )
            await self._permits.check(ruling, call_id, tool)
            function = self._functions.get(tool)
            if function is None:
                text = f"there is no tool `{tool}` in this program"
                await self._session.finish(call_id, ok=False, error=text)
                return _result(call_id, text, failed=True)
            await self._session.redeem(ruling.permit, call_id, tool, ruling.arguments)
        except HoldfastError as refusal:
            return _result(call_id, f"{refusal.code}: {refusal.message}", failed=True)
        return await self._run(call_id, function, ruling.arguments)

    async def _run(
        self, call_id: str, function: ToolFunction, arguments: dict[str, Any]
    ) -> dict[str, Any]:
        begun = time.monotonic()
        output: Any = None
        fault = ""
        try:
            output = await function(arguments)
        except Exception as error:  # noqa: BLE001 - a tool's fault is the model's to read
            fault = fault_of(error)
        shown = await self._session.finish(
            call_id,
            ok=not fault,
            output=output,
            error=fault,
            duration_ms=round((time.monotonic() - begun) * 1000),
        )
        if shown.withheld:
            return _result(call_id, shown.withheld, failed=True)
        return _result(call_id, fault or _text(shown.output), failed=bool(fault))


def guarded_tools(session: Session, functions: Mapping[str, ToolFunction]) -> GuardedTools:
    """Tools by name, each an async function of its arguments, governed by `session`."""
    return GuardedTools(session, functions, PermitCheck(session))


def _as_dict(block: Any) -> dict[str, Any]:
    if isinstance(block, dict):
        return block
    dump = getattr(block, "model_dump", None)
    if callable(dump):
        found = dump(mode="json")
        if isinstance(found, dict):
            return found
    raise InvalidRequest(f"`{type(block).__name__}` is no content block of a message")


def _result(call_id: str, text: str, *, failed: bool) -> dict[str, Any]:
    block = {"type": "tool_result", "tool_use_id": call_id, "content": text}
    return {**block, "is_error": True} if failed else block


def _text(output: Any) -> str:
    return output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)
