"""Every answer that a hook of ours can give, spelt in one place.

The CLI ignores keys that it does not know and lets the call run, so no other module writes one.
Not here: which answer is given (`governor`).
"""

from typing import Any, cast

from claude_agent_sdk import HookJSONOutput
from claude_agent_sdk.types import PreToolUseHookSpecificOutput

from holdfast.core.hook_outputs import FALLBACK_REASON, MAX_REASON_CHARACTERS, fits

__all__ = [
    "FALLBACK_REASON",
    "MAX_REASON_CHARACTERS",
    "add_context",
    "allow",
    "block",
    "deny",
    "fits",
    "halt",
    "nothing",
    "replace_output",
]


def nothing() -> HookJSONOutput:
    """No opinion: for events that need none, never for PreToolUse."""
    return {}


def allow(updated_input: dict[str, Any] | None = None, context: str = "") -> HookJSONOutput:
    """Run the call; with `updated_input`, run it with these arguments instead."""
    verdict: PreToolUseHookSpecificOutput = {
        "hookEventName": "PreToolUse",
        "permissionDecision": "allow",
    }
    if updated_input is not None:
        verdict["updatedInput"] = updated_input
    if context:
        verdict["additionalContext"] = context
    return {"hookSpecificOutput": verdict}


def deny(reason: str, *, stop: bool = False) -> HookJSONOutput:
    """Do not run the call; with `stop`, end the run too.

    `continue_: False` alone ends the run but lets the call execute, so the deny always stands
    beside it.
    """
    text = _reason(reason)
    verdict: PreToolUseHookSpecificOutput = {
        "hookEventName": "PreToolUse",
        "permissionDecision": "deny",
        "permissionDecisionReason": text,
    }
    if stop:
        return {"continue_": False, "stopReason": text, "hookSpecificOutput": verdict}
    return {"hookSpecificOutput": verdict}


def halt(reason: str) -> HookJSONOutput:
    """End the run before the next model call: after a tool ran, when nothing else can hold."""
    text = _reason(reason)
    return {"continue_": False, "stopReason": text}


def block(reason: str) -> HookJSONOutput:
    """Refuse a prompt or a compaction."""
    text = _reason(reason)
    return {"decision": "block", "reason": text}


def replace_output(output: Any, *, mcp: bool) -> HookJSONOutput:
    """Show the model `output` in place of what the tool returned."""
    if mcp:
        return {
            "hookSpecificOutput": {
                "hookEventName": "PostToolUse",
                "updatedMCPToolOutput": output,
            }
        }
    return {"hookSpecificOutput": {"hookEventName": "PostToolUse", "updatedToolOutput": output}}


def add_context(event: str, context: str) -> HookJSONOutput:
    """Let the model read `context` beside the event's own content."""
    specific = {"hookEventName": event, "additionalContext": context}
    return cast("HookJSONOutput", {"hookSpecificOutput": specific})


def _reason(text: str) -> str:
    return text[:MAX_REASON_CHARACTERS] or FALLBACK_REASON
