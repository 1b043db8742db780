"""What the modules of an operator's hooks are written with.

    from holdfast.hooks import HookAnswer, HookInput, deny, recover

    async def only_small(given: HookInput) -> HookAnswer | None:
        if given.tool == "refund" and given.arguments.get("amount", 0) > 100:
            return deny("more than 100 is a person's to refund", code="refund_limit")
        return None

Named in `holdfast.yaml` as `hooks: {pre_tool: ["my_hooks:only_small"]}`, and tried with
`holdfast hooks try`. Not here: how they are run (`runtime/hooks`, `backends/hook_host`).
"""

from typing import Any

from holdfast.model.decisions import Verdict
from holdfast.model.hooks import HookAnswer, HookInput, HookPoint, Recovery, Strategy

__all__ = [
    "HookAnswer",
    "HookInput",
    "HookPoint",
    "Recovery",
    "Verdict",
    "compact",
    "deny",
    "recover",
    "replace",
    "rewrite",
]


def deny(reason: str, *, code: str = "permission_denied") -> HookAnswer:
    """No, at any point: the model reads code and reason."""
    return HookAnswer(verdict=Verdict.DENY, reason=reason, code=code)


def rewrite(arguments: dict[str, Any], reason: str = "") -> HookAnswer:
    """Before a call: run it with these arguments instead; they are judged as the model's are."""
    return HookAnswer(arguments=arguments, reason=reason)


def replace(output: Any, reason: str = "") -> HookAnswer:
    """After a call: the model reads this in place of its result. Not None."""
    return HookAnswer(output=output, reason=reason)


def recover(how: Recovery | str, reason: str = "", *, tool: str = "") -> HookAnswer:
    """After a failure: what follows it. Errors: ValueError for what is no recovery."""
    return HookAnswer(recovery=Recovery(how), reason=reason, tool=tool)


def compact(strategy: Strategy, *, keep_turns: int | None = None, reason: str = "") -> HookAnswer:
    """At a full context: what of it is given up."""
    return HookAnswer(strategy=strategy, keep_turns=keep_turns, reason=reason)
