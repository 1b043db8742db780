"""Risk of a call to a search provider: a bounded query reads, anything else leaves.

What the contract registers is for what leaves. A query within the bound (`core/flow/queries`) is
MEDIUM at most: its words are few, and its results are others' text. What the arguments show beside
that keeps its level. Not here: what is within the bound.
"""

import msgspec

from holdfast.core.risk.registry import Risk
from holdfast.model.risk import RiskLevel, RiskReason

_REGISTERED = "risk.registered"


def queried(risk: Risk, fault: str) -> Risk:
    """The risk of a search tool's call; ``fault`` says why it is no bounded query, empty if it is.

    A fault comes first among the reasons of its level: it says what to change.
    """
    if fault:
        registered = next(r.level for r in risk.reasons if r.code == _REGISTERED)
        why = RiskReason("risk.unbounded_query", f"the query {fault}", registered, "query")
        return msgspec.structs.replace(risk, reasons=(why, *risk.reasons))
    reasons = tuple(map(_as_read, risk.reasons))
    return msgspec.structs.replace(
        risk, level=max(reason.level for reason in reasons), reasons=reasons
    )


def _as_read(reason: RiskReason) -> RiskReason:
    if reason.code != _REGISTERED:
        return reason
    text = "a bounded query to a search provider"
    level = min(reason.level, RiskLevel.MEDIUM)
    return msgspec.structs.replace(reason, code="risk.bounded_query", text=text, level=level)
