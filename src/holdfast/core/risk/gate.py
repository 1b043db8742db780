"""What a risk level leads to at a trust level: the table of gate rules.

| trust           | LOW   | MEDIUM        | HIGH          | BLOCK |
|-----------------|-------|---------------|---------------|-------|
| read_only       | reads | reads         | ask, if reads | deny  |
| supervised      | allow | ask           | ask           | deny  |
| semi_autonomous | allow | notify, allow | ask           | deny  |
| autonomous      | allow | notify, allow | notify, allow | deny  |
"""

import msgspec

from holdfast.core.risk.registry import Risk
from holdfast.model.decisions import Reason, Verdict
from holdfast.model.principals import TrustLevel
from holdfast.model.risk import RiskLevel
from holdfast.model.tools import Effect


class Gate(msgspec.Struct, frozen=True):
    """The gate's answer; `notify` asks for a notice to the operator, whatever the verdict."""

    reasons: tuple[Reason, ...]
    notify: bool


_TABLE: dict[tuple[TrustLevel, RiskLevel], tuple[Verdict, bool]] = {
    (TrustLevel.READ_ONLY, RiskLevel.LOW): (Verdict.ALLOW, False),
    (TrustLevel.READ_ONLY, RiskLevel.MEDIUM): (Verdict.ALLOW, True),
    (TrustLevel.READ_ONLY, RiskLevel.HIGH): (Verdict.ASK, True),
    (TrustLevel.SUPERVISED, RiskLevel.LOW): (Verdict.ALLOW, False),
    (TrustLevel.SUPERVISED, RiskLevel.MEDIUM): (Verdict.ASK, True),
    (TrustLevel.SUPERVISED, RiskLevel.HIGH): (Verdict.ASK, True),
    (TrustLevel.SEMI_AUTONOMOUS, RiskLevel.LOW): (Verdict.ALLOW, False),
    (TrustLevel.SEMI_AUTONOMOUS, RiskLevel.MEDIUM): (Verdict.ALLOW, True),
    (TrustLevel.SEMI_AUTONOMOUS, RiskLevel.HIGH): (Verdict.ASK, True),
    (TrustLevel.AUTONOMOUS, RiskLevel.LOW): (Verdict.ALLOW, False),
    (TrustLevel.AUTONOMOUS, RiskLevel.MEDIUM): (Verdict.ALLOW, True),
    (TrustLevel.AUTONOMOUS, RiskLevel.HIGH): (Verdict.ALLOW, True),
}


def gate(risk: Risk, trust: TrustLevel, effect: Effect) -> Gate:
    """Apply the table; BLOCK is denied at every trust level."""
    why = max(risk.reasons, key=lambda reason: reason.level)
    rule = f"{trust}.{risk.level.name}"
    if risk.level is RiskLevel.BLOCK:
        return Gate((_reason(Verdict.DENY, "risk.blocked", why.text, rule),), notify=True)
    if trust is TrustLevel.READ_ONLY and effect is not Effect.READ:
        text = f"a read-only agent may not call a tool that does `{effect}`"
        return Gate((_reason(Verdict.DENY, "risk.read_only", text, rule),), notify=True)
    verdict, notify = _TABLE[trust, risk.level]
    if verdict is Verdict.ALLOW:
        return Gate((), notify)
    code = f"risk.{risk.level.name.lower()}"
    return Gate((_reason(verdict, code, why.text, rule),), notify)


def _reason(verdict: Verdict, code: str, text: str, rule: str) -> Reason:
    return Reason(stage="risk", verdict=verdict, code=code, text=text, rule=rule)
