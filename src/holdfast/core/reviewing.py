"""Whose yes a question takes: the rules that name them, seats, quorum, and who joins with time.

Each objection follows the first rule that fits it, and a yes is whole when every rule that was
found has its quorum: of people, and of voices, so that whoever delegated does not speak twice. Not
here: who the people are (`apps/control/approvals`), what becomes of a question (`core/approvals`).
"""

from collections.abc import Sequence

import msgspec

from holdfast.model.approvals import OWNER, Approval, Need, ReviewRule, Step, Unanswered
from holdfast.model.decisions import Reason
from holdfast.model.risk import RiskLevel
from holdfast.model.tools import Effect

_NS = 1_000_000_000
_GROUP, _ROLE = "group:", "role:"


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """What rules look at of a call that is asked about."""

    tenant: str
    agent: str
    tool: str
    effect: Effect
    risk: RiskLevel
    tainted: bool
    objections: tuple[Reason, ...]


class Reviewer(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who may answer; `owner`: they are the session's user."""

    name: str
    role: str
    groups: frozenset[str] = frozenset()
    owner: bool = False


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What the rules make of one question; `expires_s` None is as long as every question."""

    needs: tuple[Need, ...]
    expires_s: int | None
    unanswered: Unanswered


def found_for(rules: Sequence[ReviewRule], call: Call) -> Found:
    """What the rules make of a question about this call."""
    each = [next((r for r in rules if _is_for(r, call, one)), None) for one in call.objections]
    found = tuple({rule.name: rule for rule in each if rule is not None}.values())
    lets = all(rule is not None and rule.on_expiry is Unanswered.ALLOW for rule in each)
    return Found(
        needs=tuple(
            Need(rule=one.name, by=one.by, quorum=one.quorum, escalate=one.escalate)
            for one in found
        ),
        expires_s=min((r.expires_s for r in found if r.expires_s is not None), default=None),
        unanswered=Unanswered.ALLOW if lets and _can_be_undone(call) else Unanswered.DENY,
    )


def named(need: Need, age_ns: int) -> tuple[str, ...]:
    """Who may answer once a question is so old; empty: whoever may let its session go on."""
    later = (name for step in due(need, age_ns) for name in step.to)
    return tuple(dict.fromkeys((*need.by, *later))) if need.by else ()


def due(need: Need, age_ns: int) -> list[Step]:
    """Steps of its escalation that a question of this age has reached."""
    return [step for step in need.escalate if age_ns >= step.after_s * _NS]


def reached(approval: Approval, now_ns: int) -> list[Step]:
    """Every step of its escalation whose time has come, soonest first."""
    if not any(need.escalate for need in approval.needs):
        return []
    age_ns = now_ns - approval.asked_at_ns
    steps = (step for need in approval.needs for step in due(need, age_ns))
    return sorted(steps, key=lambda step: step.after_s)


def fits(names: Sequence[str], reviewer: Reviewer) -> bool:
    """Whether one of the names means this person; no names mean everybody."""
    return not names or any(_means(name, reviewer) for name in names)


def delegated_to(approval: Approval, name: str) -> tuple[str, ...]:
    """The seats that others left to somebody, the latest first to count; empty strings for none."""
    seats = [""] * len(approval.all_needs)
    for one in approval.delegated:
        if one.to == name:
            seats = [given or kept for given, kept in zip(one.seats, seats, strict=True)]
    return tuple(seats)


def _is_for(rule: ReviewRule, call: Call, objection: Reason) -> bool:
    said = {objection.stage, objection.code, *objection.rule.split(", ")}
    return (
        (not rule.tools or call.tool in rule.tools)
        and (not rule.effects or call.effect in rule.effects)
        and (not rule.risks or call.risk in rule.risks)
        and (not rule.tenants or call.tenant in rule.tenants)
        and (not rule.agents or call.agent in rule.agents)
        and (not rule.objections or not said.isdisjoint(rule.objections))
    )


def _can_be_undone(call: Call) -> bool:
    """What reads or writes at no high risk, and follows no stranger's text."""
    mild = call.effect in (Effect.READ, Effect.WRITE) and call.risk <= RiskLevel.MEDIUM
    return mild and not call.tainted


def _means(name: str, reviewer: Reviewer) -> bool:
    if name.startswith(_GROUP):
        return name.removeprefix(_GROUP) in reviewer.groups
    if name.startswith(_ROLE):
        return name.removeprefix(_ROLE) == reviewer.role
    return reviewer.owner if name == OWNER else name == reviewer.name
