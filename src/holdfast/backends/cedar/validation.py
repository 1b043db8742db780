"""Cedar's own validator over every slice, its messages tied back to files, lines and ids."""

from typing import Protocol

import cedarpy

from holdfast.backends.cedar.findings import Finding
from holdfast.backends.cedar.sources import Rule

_OPTIONAL = "optional attribute"


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

    def schema_for(self, action: str) -> cedarpy.Schema:
        """The action's schema. Errors: ValueError."""
        ...


def validate(bundle: Sliced) -> tuple[Finding, ...]:
    """Each distinct fault once, in file order, whatever number of actions it shows for."""
    found: dict[tuple[str, str], Finding] = {}
    for action in bundle.actions:
        rules = bundle.rules_for(action)
        try:
            schema = bundle.schema_for(action)
        except ValueError as fault:
            text = f"the contract of {action!r} gives no schema: {_one_line(str(fault))}"
            found[("", text)] = Finding("contracts", 0, "", "schema", text)
            continue
        for rule, text in _faults(rules, schema):
            found.setdefault((rule.id, text), Finding(rule.file, rule.line, rule.id, "type", text))
    order = {rule_id: place for place, rule_id in enumerate(bundle.rules)}
    return tuple(sorted(found.values(), key=lambda finding: order.get(finding.rule, -1)))


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
