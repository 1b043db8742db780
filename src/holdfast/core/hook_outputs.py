"""Answers to Claude Code's own hooks, as its JSON spells them, in one place.

The CLI ignores keys that it does not know and lets the call run, so no other module of the server
writes one. The SDK's callbacks spell some keys otherwise (`integrations/claude_agent_sdk/outputs`).
Not here: which answer is given (`apps/control/guard/claude_code`).
"""

from typing import Any

Output = dict[str, Any]

MAX_REASON_CHARACTERS = 2_000
FALLBACK_REASON = "refused by holdfast"


def nothing() -> Output:
    """No opinion: for events that need none, never for PreToolUse."""
    return {}


def allow(updated_input: dict[str, Any] | None = None) -> Output:
    """Run the call; with `updated_input`, run it with these arguments instead."""
    verdict: Output = {"hookEventName": "PreToolUse", "permissionDecision": "allow"}
    if updated_input is not None:
        verdict["updatedInput"] = updated_input
    return {"hookSpecificOutput": verdict}


def deny(reason: str) -> Output:
    """Do not run the call.

    It never ends the run: `continue: false` alone lets the call execute, and the CLI calls a run
    that a hook ended a success.
    """
    verdict = {
        "hookEventName": "PreToolUse",
        "permissionDecision": "deny",
        "permissionDecisionReason": _reason(reason),
    }
    return {"hookSpecificOutput": verdict}


def over(event: str, reason: str) -> Output:
    """For a session that is over: no call runs, and nothing else is said.

    The gateway refuses its next model call, and that ends the run as a failure, with the reason.
    """
    return deny(reason) if event == "PreToolUse" else nothing()


def halt(reason: str) -> Output:
    """End the run before the next model call: after a tool ran, when nothing else can hold."""
    return {"continue": False, "stopReason": _reason(reason)}


def block(reason: str) -> Output:
    """Refuse a prompt or a compaction."""
    return {"decision": "block", "reason": _reason(reason)}


def refuse(event: str, reason: str) -> Output:
    """The refusal of an event: for whatever goes wrong, and for an event that is not known.

    An empty `event` is one whose input could not be read: the answer then refuses a call, a
    prompt and a compaction alike, and ends the run.
    """
    if event == "PreToolUse":
        return deny(reason)
    if event in ("UserPromptSubmit", "PreCompact"):
        return block(reason)
    return halt(reason) if event else {**halt(reason), **block(reason)}


def replace_output(output: Any, *, mcp: bool) -> Output:
    """Show the model `output` in place of what the tool returned."""
    key = "updatedMCPToolOutput" if mcp else "updatedToolOutput"
    return {"hookSpecificOutput": {"hookEventName": "PostToolUse", key: output}}


def fits(original: Any, replacement: Any) -> bool:
    """Whether the CLI will take `replacement` for a built-in tool's output.

    It silently keeps the original where the shape differs, so a shape is only taken for fitting
    when types agree all the way down, keys are the same, and text is where text was.
    """
    if isinstance(original, dict):
        return (
            isinstance(replacement, dict)
            and original.keys() == replacement.keys()
            and all(fits(value, replacement[key]) for key, value in original.items())
        )
    if isinstance(original, list):
        return (
            isinstance(replacement, list)
            and len(original) == len(replacement)
            and all(map(fits, original, replacement))
        )
    return type(original) is type(replacement)


def _reason(text: str) -> str:
    return text[:MAX_REASON_CHARACTERS] or FALLBACK_REASON
