"""What an answer of policy objects to a call, in the guard's words; live, and when asked again."""

from holdfast.model.decisions import PolicyAnswer, Reason, Verdict


def objection(answer: PolicyAnswer) -> Reason | None:
    """The reason that stands in the decision; None where policy allows."""
    if answer.verdict is Verdict.ALLOW:
        return None
    rule = ", ".join(answer.rules) or (answer.nearest.rule if answer.nearest else "")
    text = answer.text or "; ".join(answer.errors) or "no rule permits this call"
    code = "approval_required" if answer.verdict is Verdict.ASK else "permission_denied"
    return Reason(stage="policy", verdict=answer.verdict, code=code, text=text, rule=rule)
