"""Rulings and attempts as whoever runs the call reads them."""

from holdfast.model.decisions import Verdict
from holdfast.model.effects import EffectEntry, EffectState
from holdfast.model.views import calls as views
from holdfast.runtime.attempts import Attempt
from holdfast.runtime.guard import Ruling


def ruling_view(ruling: Ruling) -> views.Ruling:
    """What the guard said."""
    decision = ruling.decision
    return views.Ruling(
        verdict=decision.verdict,
        decision_id=decision.decision_id,
        permit=ruling.permit,
        arguments=ruling.arguments,
        message=ruling.message,
        risk=decision.risk.name,
        reasons=decision.reasons,
        cost_nusd=ruling.cost_nusd,
        effect_key=ruling.effect_key,
        stored=_stored(ruling.stored),
        timeout_s=ruling.timeout_s,
        status=200 if decision.verdict is Verdict.ALLOW else 403,
    )


def attempt_view(attempt: Attempt) -> views.Attempt:
    """How a call goes on that lost its answer."""
    return views.Attempt(
        next=attempt.next,
        effect_key=attempt.effect_key,
        attempt=attempt.attempt,
        ruling=ruling_view(attempt.ruling) if attempt.ruling is not None else None,
        stored=_stored(attempt.entry),
        message=attempt.message,
        approval=attempt.approval,
    )


def _stored(entry: EffectEntry | None) -> views.Stored | None:
    if entry is None:
        return None
    return views.Stored(
        ok=entry.state is EffectState.DONE,
        output=entry.output,
        output_kept=entry.output_kept,
        error=entry.error,
    )
