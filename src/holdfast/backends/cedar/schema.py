"""The Cedar schema of one action: its own input type, the shared entity types, its groups.

One schema an action, because Cedar's cost of holding and validating grows with every action in
it, and a decision is only ever about one. Other actions that policies mention stand in it as
names without a type, so that a rule that lists several still validates.
"""

import json
from collections.abc import Iterable
from typing import Any

from holdfast.backends.cedar.inputs import ALL_TOOLS, EFFECT_GROUPS
from holdfast.backends.cedar.shapes import Record, Scalar, SetOf, Shape
from holdfast.model.tools import Effect

_STRING = {"type": "String"}
_STRINGS = {"type": "Set", "element": {"type": "String"}}
_SCALARS: dict[str, dict[str, Any]] = {
    "string": _STRING,
    "json": _STRING,
    "integer": {"type": "Long"},
    "number": {"type": "Extension", "name": "decimal"},
    "boolean": {"type": "Boolean"},
}
_PARENTS = ("Role", "Agent", "User", "Project", "Tenant")
_SESSION_ATTRIBUTES = ("user", "agent", "project", "tenant", "trust")


def groups_of(effect: Effect) -> tuple[str, ...]:
    """The action groups that a tool of this effect stands in."""
    return (f"effect:{effect}", ALL_TOOLS)


def action_schema(
    action: str,
    effect: Effect,
    arguments: Record | None,
    attributes: dict[str, Record],
    mentioned: Iterable[str],
) -> str:
    """Schema JSON; `attributes` are the `task` and `tenant` records, `mentioned` other actions."""
    actions: dict[str, Any] = {name: {} for name in (*mentioned, *EFFECT_GROUPS, ALL_TOOLS)}
    actions[action] = {
        "memberOf": [{"id": group} for group in groups_of(effect)],
        "appliesTo": {
            "principalTypes": ["Session"],
            "resourceTypes": ["Resource"],
            "context": _context(arguments, attributes),
        },
    }
    return json.dumps({"": {"entityTypes": _entity_types(), "actions": actions}})


def _context(arguments: Record | None, attributes: dict[str, Record]) -> dict[str, Any]:
    fields: dict[str, Any] = dict.fromkeys(("tool", "risk", "effect", "session"), _STRING)
    fields["tainted"] = {"type": "Boolean"}
    fields["undeclared"] = _STRINGS
    for name, shape in attributes.items():
        fields[name] = _type(shape)
    if arguments is not None:
        fields["input"] = _type(arguments)
    return {"type": "Record", "attributes": fields}


def _type(shape: Shape) -> dict[str, Any]:
    if isinstance(shape, Scalar):
        return _SCALARS[shape.kind]
    if isinstance(shape, SetOf):
        return {"type": "Set", "element": _SCALARS[shape.element.kind]}
    return {
        "type": "Record",
        "attributes": {
            name: {**_type(field.shape), "required": field.required}
            for name, field in shape.fields.items()
        },
    }


def _entity_types() -> dict[str, Any]:
    session: dict[str, Any] = dict.fromkeys(_SESSION_ATTRIBUTES, _STRING)
    session["roles"] = _STRINGS
    resource = {"arn": _STRING, "tool": _STRING}
    return {
        **{parent: {} for parent in _PARENTS},
        "Session": {
            "memberOfTypes": list(_PARENTS),
            "shape": {"type": "Record", "attributes": session},
        },
        "Resource": {
            "shape": {"type": "Record", "attributes": resource},
            "tags": {"type": "String"},
        },
    }
