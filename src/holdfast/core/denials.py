"""What a model reads where a call was refused. Not here: deciding (`runtime/guard`)."""

from holdfast.model.decisions import Decision, Verdict

_NAMED_STAGES = ("budget", "loop", "contract", "live", "policy", "effect")


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
