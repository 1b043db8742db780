"""Why nothing permitted a call: the permit that came nearest, clause by clause.

Cedar names no rule on a default deny, so each clause of each permit is asked as a permit of its
own, all in one evaluation; the rule with the fewest clauses that do not hold is the nearest.
Only looked at on a default deny; its answer never changes a verdict.
"""

import re
from typing import Any

import cedarpy
import msgspec

from holdfast.backends.cedar.render import literal, paths, rendered, scope
from holdfast.backends.cedar.sources import Rule
from holdfast.model.decisions import NearMiss

# Beyond this many permits for one action, the first ones in file order are compared.
MAX_COMPARED = 128
_MAX_CLAUSES = 2_000
_ALL = {"op": "All"}
_ERRED = re.compile(r"^error while evaluating policy `(\d+)`", re.MULTILINE)


class Clause(msgspec.Struct, frozen=True):
    """One thing a permit asks for: its text, and the expression that values are shown for."""

    rule: str
    text: str
    body: Any
    est: dict[str, Any]


class NearMisses:
    """The clauses of one slice's permits, prepared on the first default deny."""

    def __init__(self, permits: tuple[Rule, ...]) -> None:
        self._permits = permits[:MAX_COMPARED]
        self._prepared: tuple[dict[str, Clause], cedarpy.PolicySet] | None = None

    def explain(
        self,
        request: dict[str, Any],
        entities: cedarpy.Entities,
        schema: cedarpy.Schema,
        attributes: dict[str, dict[str, Any]],
    ) -> tuple[NearMiss, str] | None:
        """The nearest permit with its failed clauses, and the same as text with values."""
        if not self._permits:
            return None
        clauses, policies = self._prepare()
        result = cedarpy.is_authorized(request, policies, entities, schema)
        held = set(result.diagnostics.reasons)
        errors = "\n".join(result.diagnostics.errors)
        broken = set(_ERRED.findall(errors))
        failed: dict[str, list[Clause]] = {rule.id: [] for rule in self._permits}
        erred: dict[str, list[Clause]] = {rule.id: [] for rule in self._permits}
        passed = dict.fromkeys(failed, 0)
        for key, clause in clauses.items():
            if key in held:
                passed[clause.rule] += 1
            else:
                (erred if key in broken else failed)[clause.rule].append(clause)
        # A clause that cannot be evaluated alone stands behind a `has` that is false; it only
        # speaks where nothing else does.
        failed = {rule_id: failed[rule_id] or erred[rule_id] for rule_id in failed}
        missed = [rule_id for rule_id in failed if failed[rule_id]]
        if not missed:
            return None
        best = min(missed, key=lambda rule_id: (len(failed[rule_id]), -passed[rule_id]))
        near = NearMiss(best, tuple(clause.text for clause in failed[best]))
        return near, "; ".join(_told(clause, attributes) for clause in failed[best])

    def _prepare(self) -> tuple[dict[str, Clause], cedarpy.PolicySet]:
        if self._prepared is None:
            found = [clause for rule in self._permits for clause in _clauses(rule)]
            clauses = {str(place): clause for place, clause in enumerate(found[:_MAX_CLAUSES])}
            text = msgspec.json.encode(
                {
                    "templates": {},
                    "templateLinks": [],
                    "staticPolicies": {key: clause.est for key, clause in clauses.items()},
                }
            )
            self._prepared = clauses, cedarpy.PolicySet.from_json_str(text.decode())
        return self._prepared


def _clauses(rule: Rule) -> list[Clause]:
    clauses = []
    for variable in ("principal", "resource"):
        constraint = rule.est[variable]
        if constraint["op"] != "All":
            est = _asked(**{variable: constraint})
            clauses.append(Clause(rule.id, scope(variable, constraint), None, est))
    for condition in rule.est["conditions"]:
        kind = condition["kind"]
        for body in _split(condition["body"], "&&" if kind == "when" else "||"):
            text = rendered(body) if kind == "when" else f"unless {rendered(body)}"
            est = _asked(conditions=[{"kind": kind, "body": body}])
            clauses.append(Clause(rule.id, text, body, est))
    return clauses


def _asked(**parts: Any) -> dict[str, Any]:
    return {
        "effect": "permit",
        "principal": _ALL,
        "action": _ALL,
        "resource": _ALL,
        "conditions": [],
        **parts,
    }


def _split(body: Any, operator: str) -> list[Any]:
    """Operands of a chain of one operator, left to right."""
    if isinstance(body, dict) and operator in body:
        both = body[operator]
        return _split(both["left"], operator) + _split(both["right"], operator)
    return [body]


def _told(clause: Clause, attributes: dict[str, dict[str, Any]]) -> str:
    """`context.input.amount <= context.task.max is false (input.amount = 9000, task.max = 5)`."""
    verdict = "does not hold" if clause.text.startswith("unless ") else "is false"
    values = []
    for path in paths(clause.body):
        value: Any = attributes
        for name in path:
            value = value.get(name, _ABSENT) if isinstance(value, dict) else _ABSENT
        short = ".".join(path[1:] if path[0] == "context" else path)
        shown = "absent" if value is _ABSENT else literal(value)
        values.append(f"{short} = {shown}")
    shown_values = f" ({', '.join(dict.fromkeys(values))})" if values else ""
    return f"{clause.text} {verdict}{shown_values}"


_ABSENT = object()
