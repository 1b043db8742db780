"""What a model reads where a call was refused. Not here: deciding (`runtime/guard`)."""

from collections.abc import Iterable

from holdfast.model.decisions import Decision, Reason, Verdict

_NAMED_STAGES = ("hook", "budget", "loop", "contract", "live", "policy", "effect")


def denial_text(decision: Decision) -> str:
    """What the model reads instead of a result: stable for one decision."""
    why = decision.deciding
    code = "permission_denied"
    if why is not None and why.stage in _NAMED_STAGES:
        code = why.code
    if decision.verdict is Verdict.ASK:
        code = "approval_required"
    text = why.text if why is not None else "refused"
    rule = f" (rule {why.rule})" if why is not None and why.rule else ""
    return f"{code}: {text}{rule} [{decision.decision_id}]"


def broken_text(violations: Iterable[str], decision_id: str) -> str:
    """What the model reads in place of a result that is not what its tool declares.

    It is no success, whatever the tool called it; what the call did stands.
    """
    told = "; ".join(violations)
    return (
        "output_invalid: this call was made, and its result is withheld: it is not what the tool"
        f" declares ({told}) [{decision_id}]"
    )


def switched_text(tool: str, error: str, other: str, decision_id: str) -> str:
    """What the model reads of a call that failed, where a hook names the tool to use instead."""
    return f"tool_failed: `{tool}` failed ({error}); use `{other}` instead of it [{decision_id}]"


def withheld_text(reasons: Iterable[Reason], decision_id: str) -> str:
    """What the model reads in place of a result that a hook objects to; empty where none does."""
    why = next((r for r in reasons if r.verdict is not Verdict.ALLOW), None)
    if why is None:
        return ""
    told = f"{why.code}: this call was made, and its result is withheld: {why.text}"
    return f"{told} (rule {why.rule}) [{decision_id}]"
