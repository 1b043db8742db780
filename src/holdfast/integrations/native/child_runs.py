"""Calls of `delegate` in a run: a child that is a run of its own, and its answer when it is over.

The child is started once, by the call that asks for it, so that whoever works at the run after a
crash finds the same one. While it works its parent is delayed and keeps no worker. Not here: how
much may be handed on (`core/delegation`), the child's own loop (`driver`).
"""

import json
from collections.abc import Mapping
from typing import Any

from holdfast.core.loop import Call
from holdfast.errors import DelegationRefused, HoldfastError, InvalidRequest
from holdfast.integrations.native.activation import Activation
from holdfast.model.attempts import ToolResult
from holdfast.model.views.sessions import ChildRun

_ASKED = ("agent", "tools", "resources", "limits")
_LEAST_S, _MOST_S = 0.5, 30.0


class ChildAtWork(Exception):
    """The answer of a child is still to come."""


class ChildRuns:
    """The children of one run."""

    def __init__(self, activation: Activation) -> None:
        self._at = activation
        self._session = activation.session
        self._tools = activation.plan.tools

    def takes(self, call: Call) -> bool:
        """Whether a call asks for a child."""
        told = self._tools.get(call.tool)
        return told is not None and told["run"]["kind"] == "delegate"

    def again_s(self) -> float:
        """Seconds until it is looked again: the longer, the more often it was."""
        return min(_LEAST_S * max(self._at.run.activations, 1), _MOST_S)

    async def check(self, call: Call) -> None:
        """Errors: ChildAtWork while the child that this call started is not over."""
        _check(await self._session.child_run(call.call_id))

    async def run(self, call: Call, arguments: Mapping[str, Any]) -> ToolResult:
        """The child's answer, once it is over. Errors: ChildAtWork."""
        asked = {name: arguments[name] for name in _ASKED if arguments.get(name)}
        try:
            child = await self._session.delegate_run(str(arguments["task"]), call.call_id, asked)
        except (DelegationRefused, InvalidRequest) as refused:
            return ToolResult(ok=False, error_code="delegation_refused", error=_bare(refused))
        _check(child)
        done = child.state == "done"
        text = _text(child.result) if done else _ended(child)
        collected = await self._session.collect(child.child, text)
        if done:
            return ToolResult(ok=True, output=collected.text)
        return ToolResult(ok=False, error_code="tool_failed", error=collected.text)


def _check(child: ChildRun) -> None:
    if child.child and not child.over:
        raise ChildAtWork(f"its child {child.child} is {child.state}")


def _ended(child: ChildRun) -> str:
    text = f"it ended as {child.state}: {child.reason}"
    return f"{text}\n\nUntil then:\n{child.so_far}" if child.so_far else text


def _text(result: Any) -> str:
    return result if isinstance(result, str) else json.dumps(result, ensure_ascii=False)


def _bare(refused: HoldfastError) -> str:
    """Without its own code, which stands before it."""
    return refused.message.removeprefix("delegation_refused: ")
