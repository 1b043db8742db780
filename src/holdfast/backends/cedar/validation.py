"""Cedar's own validator over every slice, its messages tied back to files, lines and ids."""

from typing import Protocol

import cedarpy

from holdfast.backends.cedar.sources import Rule
from holdfast.model.views.policies import PolicyFinding

_OPTIONAL = "optional attribute"
_CONSEQUENCE = "unable to find an applicable action"


class Sliced(Protocol):
    """Rules and a schema for each action."""

    @property
    def rules(self) -> dict[str, Rule]:
        """All rules by id, in file order."""
        ...

    @property
    def actions(self) -> tuple[str, ...]:
        """Every action to validate for."""
        ...

    def rules_for(self, action: str) -> tuple[Rule, ...]:
        """The rules that can apply to the action."""
        ...

    def kind_of(self, action: str) -> bytes:
        """The same for actions that no rule and no type tells apart."""
        ...

    def schema_for(self, action: str) -> cedarpy.Schema:
        """The action's schema. Errors: ValueError."""
        ...


def validate(bundle: Sliced, flawed: frozenset[str]) -> tuple[PolicyFinding, ...]:
    """Faults in file order; a rule that is wrong for many actions is reported for the first.

    `flawed` names rules that already have a finding; what the validator says of them is an echo.
    """
    found: dict[str, list[PolicyFinding]] = {}
    seen: set[bytes] = set()
    for action in bundle.actions:
        kind = bundle.kind_of(action)
        if kind in seen:
            continue
        seen.add(kind)
        rules = tuple(
            r for r in bundle.rules_for(action) if r.id not in found and r.id not in flawed
        )
        try:
            schema = bundle.schema_for(action)
        except ValueError as fault:
            text = f"the contract of {action!r} gives no schema: {_one_line(str(fault))}"
            found.setdefault("", []).append(PolicyFinding("contracts", 0, "", "schema", text))
            continue
        for rule, text in _faults(rules, schema):
            finding = PolicyFinding(rule.file, rule.line, rule.id, "type", text)
            if finding not in found.setdefault(rule.id, []):
                found[rule.id].append(finding)
    ids = ("", *bundle.rules)
    return tuple(finding for rule_id in ids for finding in _worthy(found.get(rule_id, [])))


def _worthy(findings: list[PolicyFinding]) -> list[PolicyFinding]:
    """Without the validator's remark that nothing applies, where it also says why."""
    return [f for f in findings if _CONSEQUENCE not in f.text] or findings


def _faults(rules: tuple[Rule, ...], schema: cedarpy.Schema) -> list[tuple[Rule, str]]:
    if not rules:
        return []
    text = "\n".join(rule.text for rule in rules)
    result = cedarpy.validate_policies(text, schema, release_gil=True)
    by_id = {rule.id: rule for rule in rules}
    names = result.id_annotations_by_policy_id
    faults = [
        (by_id[names[error.policy_id]], _explained(error.error, error.policy_id))
        for error in result.errors
        if error.policy_id in names
    ]
    if not result.validation_passed and not faults:
        whole = _one_line("; ".join(error.error for error in result.errors))
        faults = [(rules[0], f"the slice does not validate: {whole}")]
    return faults


def _explained(message: str, policy_id: str) -> str:
    text = _one_line(message).removeprefix(f"for policy `{policy_id}`, ")
    if _OPTIONAL in text:
        text += (
            "; it may be absent, so test for it first, as in "
            "`context.task has max_refund && context.task.max_refund >= 1`"
        )
    return text


def _one_line(text: str) -> str:
    return " ".join(text.split())[:500]
