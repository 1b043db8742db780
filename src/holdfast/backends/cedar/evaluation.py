"""One question to one bundle: closed on every error, explained on every refusal.

Forbids marked @ask are judged apart: what the firm rules deny stays denied, and only a call that
they allow can be turned into a question for a person.
"""

from typing import Any

import cedarpy
import msgspec

from holdfast.backends.cedar.bundle import Bundle, Slice
from holdfast.backends.cedar.conversion import Refused, record
from holdfast.backends.cedar.entities import arn_of, resource, session
from holdfast.model.decisions import PolicyAnswer, PolicyRequest, Verdict
from holdfast.model.risk import RiskLevel
from holdfast.model.tools import Effect

_SEVERITY = tuple(Effect)
_MAX_ERROR = 500


class Question(msgspec.Struct, frozen=True):
    """A request as Cedar takes it; `context` is kept for explaining."""

    request: dict[str, Any]
    entities: cedarpy.Entities
    context: dict[str, Any]


def decide(bundle: Bundle, request: PolicyRequest) -> PolicyAnswer:
    """The verdict with the rules that decided; never an allow with errors."""
    part = bundle.slice_for(request.action)
    try:
        question = _question(bundle, part, request)
    except Refused as fault:
        return _errors(bundle, (str(fault),), "the question does not fit its declared types")
    verdict, ids, errors = _evaluate(part, part.sets.all_rules, question)
    if errors:
        return _errors(bundle, errors, "a policy could not be evaluated")
    if verdict is Verdict.ALLOW:
        return _named(bundle, Verdict.ALLOW, ids)
    firm_ids = tuple(i for i in ids if bundle.rules[i].ask is None)
    if firm_ids:
        return _named(bundle, Verdict.DENY, firm_ids)
    if ids and part.sets.firm is not None:
        verdict, _, errors = _evaluate(part, part.sets.firm, question)
        if errors:
            return _errors(bundle, errors, "a policy could not be evaluated")
        if verdict is Verdict.ALLOW:
            return _named(bundle, Verdict.ASK, ids)
    return _default_deny(bundle, part, question, request)


def _evaluate(
    part: Slice, policies: cedarpy.PolicySet, question: Question
) -> tuple[Verdict, tuple[str, ...], tuple[str, ...]]:
    result = cedarpy.is_authorized(question.request, policies, question.entities, part.schema)
    errors = tuple(" ".join(str(e).split())[:_MAX_ERROR] for e in result.diagnostics.errors)
    if result.decision is cedarpy.Decision.Allow and not errors:
        return Verdict.ALLOW, tuple(result.diagnostics.reasons), ()
    if result.decision is cedarpy.Decision.NoDecision and not errors:
        errors = ("the engine gave no decision",)
    return Verdict.DENY, tuple(result.diagnostics.reasons), errors


def _errors(bundle: Bundle, errors: tuple[str, ...], text: str) -> PolicyAnswer:
    return PolicyAnswer(
        verdict=Verdict.DENY,
        text=f"{text}: {errors[0]}",
        errors=errors,
        policy_version=bundle.version,
    )


def _named(bundle: Bundle, verdict: Verdict, ids: tuple[str, ...]) -> PolicyAnswer:
    ordered = bundle.in_file_order(ids)
    texts = []
    for rule_id in ordered:
        rule = bundle.rules[rule_id]
        said = rule.ask if verdict is Verdict.ASK and rule.ask else rule.reason
        if said:
            texts.append(said)
    text = "; ".join(texts)
    if not text and verdict is not Verdict.ALLOW:
        text = f"forbidden by {', '.join(f'`{rule_id}`' for rule_id in ordered)}"
    return PolicyAnswer(verdict=verdict, rules=ordered, text=text, policy_version=bundle.version)


def _default_deny(
    bundle: Bundle, part: Slice, question: Question, request: PolicyRequest
) -> PolicyAnswer:
    attributes = {
        "context": question.context,
        "principal": session(request)["attrs"],
        "resource": resource(request)["attrs"],
    }
    found = part.sets.nearest.explain(question.request, question.entities, part.schema, attributes)
    if found is None:
        text = "no rule permits this, and none speaks of it"
        return PolicyAnswer(verdict=Verdict.DENY, text=text, policy_version=bundle.version)
    nearest, detail = found
    return PolicyAnswer(
        verdict=Verdict.DENY,
        text=f"no rule permits this; nearest is `{nearest.rule}`: {detail}",
        nearest=nearest,
        policy_version=bundle.version,
    )


def _question(bundle: Bundle, part: Slice, request: PolicyRequest) -> Question:
    entities = bundle.entities.entities(part.action, part.entities, request)
    context = _context(bundle, part, request)
    try:
        encoded = msgspec.json.encode(context).decode()
    except (ValueError, RecursionError) as fault:
        raise Refused(f"the question cannot be written: {type(fault).__name__}") from None
    return Question(
        {
            "principal": {"type": "Session", "id": request.session},
            "action": {"type": "Action", "id": part.action},
            "resource": {"type": "Resource", "id": arn_of(request)},
            "context": encoded,
        },
        entities,
        context,
    )


def _context(bundle: Bundle, part: Slice, request: PolicyRequest) -> dict[str, Any]:
    if request.risk not in RiskLevel.__members__:
        raise Refused(f"{request.risk!r} is not the name of a risk level")
    undeclared: list[str] = []
    context: dict[str, Any] = {
        "tool": request.action,
        "risk": request.risk,
        "effect": _effective(part, request.effect),
        "session": request.session,
        "tainted": request.tainted,
        "task": record(request.task, bundle.attributes["task"], "task", []),
        "tenant": record(request.tenant_attributes, bundle.attributes["tenant"], "tenant", []),
    }
    if part.arguments is not None:
        context["input"] = record(request.input, part.arguments, "input", undeclared)
    else:
        undeclared += request.input
    context["undeclared"] = undeclared
    return context


def _effective(part: Slice, claimed: str) -> str:
    """The stricter of what the contract declares and what the guard saw in this very call."""
    try:
        seen = Effect(claimed)
    except ValueError:
        raise Refused(f"{claimed!r} is not an effect") from None
    return str(max(part.effect, seen, key=_SEVERITY.index))
