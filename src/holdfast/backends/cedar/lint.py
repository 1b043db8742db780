"""What Cedar accepts and an operator would regret: each finding keeps the bundle out of force.

Also the reading of scopes that slicing and linting share. Not here: types (`validation`).
"""

from collections.abc import Iterable, Mapping
from typing import Any

from holdfast.backends.cedar import bounds
from holdfast.backends.cedar.impossible import CODE, impossible
from holdfast.backends.cedar.inputs import ALL_TOOLS, EFFECT_GROUPS, UNKNOWN_TOOL
from holdfast.backends.cedar.sources import Rule
from holdfast.model.tools import Contract
from holdfast.model.views.policies import PolicyFinding

MAX_POLICIES = 10_000
_GROUPS = frozenset({ALL_TOOLS, *EFFECT_GROUPS})
# Patterns that match every resource Holdfast ever builds.
_MATCHES_ALL = ("", "arn:", "tool:")


def action_scope(est: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
    """`All`, `==` or `in`, and the action names beside it."""
    scope = est["action"]
    entities = scope.get("entities") or ([scope["entity"]] if "entity" in scope else [])
    return scope["op"], tuple(entity["id"] for entity in entities if entity["type"] == "Action")


def mentioned_actions(rules: Iterable[Rule]) -> frozenset[str]:
    """Every action that stands in some rule, in its scope or its conditions."""
    found: set[str] = set()
    for rule in rules:
        found.update(action_scope(rule.est)[1])
        for node in nodes(rule.est["conditions"]):
            entity = node.get("__entity")
            if isinstance(entity, dict) and entity.get("type") == "Action":
                found.add(entity["id"])
    return frozenset(found)


def nodes(tree: Any) -> Iterable[dict[str, Any]]:
    """Every object of a Cedar JSON expression, outermost first."""
    todo = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, dict):
            yield node
            todo.extend(node.values())
        elif isinstance(node, list):
            todo.extend(node)


def lint(
    rules: tuple[Rule, ...], actions: tuple[str, ...], contracts: Mapping[str, Contract]
) -> tuple[PolicyFinding, ...]:
    """Findings in file order; `actions` are the declared tools and `unknown_tool`."""
    findings: list[PolicyFinding] = []
    if len(rules) > MAX_POLICIES:
        text = f"{len(rules)} policies; a bundle holds at most {MAX_POLICIES}"
        findings.append(PolicyFinding(rules[0].file, 0, "", "too_many", text))
    declared = frozenset(actions)
    for rule in rules:
        findings += [
            PolicyFinding(rule.file, rule.line, rule.id, code, text)
            for code, text in (
                *_scope_faults(rule, declared),
                *(tuple(_permit_faults(rule)) or _by_contract(rule, contracts)),
            )
        ]
    return tuple(findings)


def _by_contract(rule: Rule, contracts: Mapping[str, Contract]) -> Iterable[tuple[str, str]]:
    """Each comparison once, with a value that no call can have; a permit that bounds nothing."""
    covers = action_scope(rule.est)
    tools = () if _GROUPS.intersection(covers[1]) else covers[1]
    texts = impossible(nodes(rule.est["conditions"]), tools, contracts)
    yield from ((CODE, text) for text in dict.fromkeys(texts))
    if rule.permits:
        yield from ((bounds.CODE, text) for text in bounds.unbounded(rule, covers, contracts))


def _scope_faults(rule: Rule, declared: frozenset[str]) -> Iterable[tuple[str, str]]:
    operator, names = action_scope(rule.est)
    if operator != "All" and not names:
        yield "undeclared_tool", "the action scope names no Action, so the policy never applies"
    for name in names:
        if operator == "==" and name in _GROUPS:
            yield (
                "group_equals",
                f'no call is ever the group Action::"{name}" itself; write `action in`',
            )
        elif name not in declared and name not in _GROUPS:
            yield "undeclared_tool", f"no contract declares the tool {name!r}"


def _permit_faults(rule: Rule) -> Iterable[tuple[str, str]]:
    if not rule.permits:
        return
    est = rule.est
    if UNKNOWN_TOOL in action_scope(est)[1]:
        yield "permits_unknown", "a permit may not name the tools that nobody declared"
    if (
        est["principal"]["op"] == "All"
        and _any_action(est)
        and all(map(_vacuous, est["conditions"]))
    ):
        yield "permits_all", "the permit has no principal, no action and no condition"
    if any(_vacuous(one) and "Value" not in one["body"] for one in est["conditions"]):
        yield "wildcard_resource", "no resource is empty; leave the condition out or name some"
    for node in nodes(est["conditions"]):
        like = node.get("like")
        if isinstance(like, dict) and _matches_all(like):
            yield (
                "wildcard_resource",
                "the pattern matches every resource; leave it out or name some",
            )


def _any_action(est: dict[str, Any]) -> bool:
    """Whether the scope takes every tool that is declared: none is named, or the group of all."""
    operator, names = action_scope(est)
    return operator == "All" or (operator == "in" and ALL_TOOLS in names)


def _vacuous(condition: dict[str, Any]) -> bool:
    """Whether a condition holds for every call: a constant, or a resource that is not empty."""
    body = condition["body"]
    if body == {"Value": condition["kind"] == "when"}:
        return True
    sides = body.get("!=" if condition["kind"] == "when" else "==")
    return isinstance(sides, dict) and {"Value": ""} in sides.values() and _of_resource(sides)


def _of_resource(sides: dict[str, Any]) -> bool:
    inner = [side.get(".") for side in sides.values() if isinstance(side, dict)]
    return any(isinstance(one, dict) and one.get("left") == {"Var": "resource"} for one in inner)


def _matches_all(like: dict[str, Any]) -> bool:
    subject = like["left"]
    inner = subject.get(".") if isinstance(subject, dict) else None
    if not isinstance(inner, dict) or inner.get("left") != {"Var": "resource"}:
        return False
    literal = "".join(p["Literal"] for p in like["pattern"] if isinstance(p, dict))
    return "Wildcard" in like["pattern"] and literal.rstrip(":/") in {
        text.rstrip(":") for text in _MATCHES_ALL
    }
