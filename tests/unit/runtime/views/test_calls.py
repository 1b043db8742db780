"""Rulings and attempts as they are shown: every field of the guard's answer, and no other."""

import pytest

from holdfast.model.attempts import Next
from holdfast.model.decisions import Decision, Reason, Verdict
from holdfast.model.effects import EffectEntry, EffectState
from holdfast.model.risk import RiskLevel
from holdfast.model.tools import Idempotency
from holdfast.model.views import calls as views
from holdfast.runtime.attempts import Attempt
from holdfast.runtime.guard import Ruling
from holdfast.runtime.views.calls import attempt_view, ruling_view

REASON = Reason(stage="policy", verdict=Verdict.DENY, code="permission_denied", text="no", rule="r")
DECISION = Decision(
    decision_id="dec_1",
    session="ses_1",
    call_id="c1",
    tool="pay",
    digest="sha256:x",
    verdict=Verdict.DENY,
    reasons=(REASON,),
    risk=RiskLevel.MEDIUM,
    policy_version="v1",
    at_ns=5,
)


def entry(state: EffectState) -> EffectEntry:
    return EffectEntry(
        tenant="acme",
        key="k",
        session="ses_1",
        call_id="c1",
        tool="pay",
        idempotency=Idempotency.KEYED,
        state=state,
        intended_at_ns=1,
        changed_at_ns=2,
        output={"n": 1},
        output_kept=False,
        error="late",
    )


def ruled(stored: EffectEntry | None) -> Ruling:
    return Ruling(
        decision=DECISION,
        permit="p",
        arguments={"a": 1},
        message="m",
        cost_nusd=7,
        effect_key="k",
        stored=stored,
    )


@pytest.mark.parametrize("state", list(EffectState))
def test_ruling_is_shown_with_its_decision_and_what_is_stored(state):
    assert ruling_view(ruled(entry(state))) == views.Ruling(
        verdict=Verdict.DENY,
        decision_id="dec_1",
        arguments={"a": 1},
        permit="p",
        message="m",
        risk="MEDIUM",
        reasons=(REASON,),
        cost_nusd=7,
        effect_key="k",
        stored=views.Stored(
            ok=state is EffectState.DONE, output={"n": 1}, output_kept=False, error="late"
        ),
        status=403,
    )
    assert ruling_view(ruled(None)).stored is None


def test_attempt_is_shown_with_its_ruling_and_the_entry_of_the_ledger():
    kept = entry(EffectState.DONE)
    attempt = Attempt(
        next=Next.ANSWERED,
        effect_key="k",
        attempt=3,
        ruling=ruled(None),
        entry=kept,
        message="m",
    )
    assert attempt_view(attempt) == views.Attempt(
        next=Next.ANSWERED,
        effect_key="k",
        attempt=3,
        ruling=ruling_view(ruled(None)),
        stored=ruling_view(ruled(kept)).stored,
        message="m",
    )
    assert attempt_view(Attempt(next=Next.PROBE)) == views.Attempt(next=Next.PROBE)
