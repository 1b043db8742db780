"""A governed tool step for programs that run their own loop over the Messages API.

    tools = guarded_tools(session, {"get_order": get_order, "refund": refund})
    results = await tools.results(message.content)   # tool_result blocks for the next request

    async def get_order(arguments): ...
    async def refund(arguments, context: ToolContext): ...   # `context.key` for its service

Each `tool_use` is decided, its permit checked and used up, the function run, the outcome
reported. A function that raises `Refused` did nothing; whatever else it raises leaves open what it
did, and so does one that does not answer within its contract's `timeout_s`. The client of the model
must speak to Holdfast's address with the session's token; the gateway knows which calls the model
made. Not here: the loop, and rules of any kind.
"""

import contextlib
import functools
import inspect
import json
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import BrokenExecutor
from typing import Any

from holdfast.client import Session
from holdfast.core.effects import NOT_RUN, TOOL_DIED, TOOL_TIMEOUT
from holdfast.core.reports import UNANSWERED
from holdfast.core.writable import fault_of
from holdfast.errors import HoldfastError, InvalidRequest
from holdfast.integrations.permits import PermitCheck
from holdfast.model.decisions import Verdict
from holdfast.model.views.calls import Ruling, Stored
from holdfast.tools.calling import Late, in_time, threaded
from holdfast.tools.declared import Refused, Tool, ToolContext

DOOR = "messages_api"
ToolFunction = Callable[..., Awaitable[Any]]
"""Takes the arguments that may run, and a `ToolContext` where it has a second parameter.

Returns any JSON value. A registered `Tool` may stand here as well.
"""
_LAST_WORD_S = 5.0


class GuardedTools:
    """Runs the tool calls of one session, each under its own permit."""

    def __init__(
        self,
        session: Session,
        functions: Mapping[str, ToolFunction | Tool],
        permits: PermitCheck,
        wait_s: float,
    ) -> None:
        self._session = session
        self._wait_s = wait_s
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
            ruling = await self._session.decide(
                call_id,
                tool,
                arguments,
                door=DOOR,
                takes_stored=True,
                wait_s=self._wait_s,
                hands_key=_hands_key(self._functions.get(tool)),
            )
            if ruling.verdict is not Verdict.ALLOW:
                return _result(
                    call_id, ruling.message or f"holdfast said {ruling.verdict}", failed=True
                )
            if ruling.stored is not None:
                return _stored(call_id, ruling.stored)
            await self._permits.check(ruling, call_id, tool)
            function = self._functions.get(tool)
            if function is None:
                text = f"there is no tool `{tool}` in this program"
                await self._session.finish(call_id, ok=False, error=text, code=NOT_RUN)
                return _result(call_id, text, failed=True)
            await self._session.redeem(ruling.permit, call_id, tool, ruling.arguments)
        except HoldfastError as refusal:
            return _result(call_id, f"{refusal.code}: {refusal.message}", failed=True)
        context = ToolContext(
            key=ruling.effect_key, call_id=call_id, session=self._session.session_id
        )
        return await self._run(function, ruling, context)

    async def _run(
        self, function: ToolFunction | Tool, ruling: Ruling, context: ToolContext
    ) -> dict[str, Any]:
        begun, call_id = time.monotonic(), context.call_id
        output: Any = None
        fault = code = ""
        try:
            output = await in_time(_call(function, ruling.arguments, context), ruling.timeout_s)
        except Refused as no:
            code, fault = no.code, f"{no.code}: {no.message}"
        except Late:
            code = TOOL_TIMEOUT
            fault = f"{code}: the tool did not answer within {ruling.timeout_s:g} s"
        except BrokenExecutor as error:
            code, fault = TOOL_DIED, f"{TOOL_DIED}: {fault_of(error)}"
        except Exception as error:  # noqa: BLE001 - a tool's fault is the model's to read
            fault = fault_of(error)
        except BaseException as error:
            # This program is on its way out, and nobody else knows that the tool was at work.
            await self._unknown(call_id, type(error).__name__)
            raise
        shown = await self._session.finish(
            call_id,
            ok=not fault,
            output=output,
            error=fault,
            duration_ms=round((time.monotonic() - begun) * 1000),
            uncertain=bool(fault) and code in ("", *UNANSWERED),
            code=code,
        )
        if shown.reads:
            return _result(call_id, shown.reads, failed=bool(fault or shown.withheld))
        return _result(call_id, fault or _text(shown.output), failed=bool(fault))

    async def _unknown(self, call_id: str, why: str) -> None:
        with contextlib.suppress(HoldfastError):
            await self._session.finish(
                call_id,
                ok=False,
                error=f"{TOOL_DIED}: the program ended ({why})",
                code=TOOL_DIED,
                uncertain=True,
                timeout_s=_LAST_WORD_S,
            )


def _call(
    function: ToolFunction | Tool, arguments: dict[str, Any], context: ToolContext
) -> Callable[[], Any]:
    if isinstance(function, Tool):
        run = functools.partial(function.run, arguments, context)
        waits = inspect.iscoroutinefunction(function.function)
        return run if waits else functools.partial(threaded, run)
    given = (arguments, context) if _takes_context(function) else (arguments,)
    return functools.partial(function, *given)


def _hands_key(function: ToolFunction | Tool | None) -> bool:
    if isinstance(function, Tool):
        return function.takes_context
    return function is not None and _takes_context(function)


def _takes_context(function: ToolFunction) -> bool:
    """Whether it has a second positional parameter; what says nothing of itself has none."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    return sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters) > 1


def guarded_tools(
    session: Session,
    functions: Mapping[str, ToolFunction | Tool],
    *,
    wait_s: float | None = None,
) -> GuardedTools:
    """Tools by name, each an async function of its arguments, governed by `session`.

    `wait_s` is how long a call that a person is asked about is held for the answer: what the
    server says (`approvals.wait_s`) unless given, and 0 for a session that was attached to without
    its plan. After that the model reads that it may make the same call again.
    """
    waits_s = session.plan.approval_wait_s if wait_s is None else wait_s
    return GuardedTools(session, functions, PermitCheck(session), waits_s)


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


def _stored(call_id: str, stored: Stored) -> dict[str, Any]:
    """The effect was had before in this task: the model reads what came of it."""
    if not stored.output_kept:
        text = "this was done before in this task; its result was too large to keep"
        return _result(call_id, text, failed=False)
    return _result(call_id, _text(stored.output), failed=not stored.ok)


def _text(output: Any) -> str:
    return output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)
