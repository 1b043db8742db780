"""A tool's JSON Schema read as Cedar types: what policy may compare, and what stays text.

string, integer, number, boolean, arrays of one of those, and objects with properties have a
Cedar type; everything else (unions, null-able, free-form) is a String of canonical JSON.
"""

from typing import Any

import msgspec

from holdfast.backends.cedar.inputs import AttributeType

_MAX_DEPTH = 8
_MAX_FIELDS = 512
# Cedar's JSON reads an object with one of these keys as something other than a record.
_ESCAPES = frozenset({"__entity", "__extn", "__expr"})


class Scalar(msgspec.Struct, frozen=True):
    """`kind` is `string`, `integer`, `number`, `boolean`, or `json` for canonical JSON text."""

    kind: str


class SetOf(msgspec.Struct, frozen=True):
    """A set of scalars."""

    element: Scalar


class Field(msgspec.Struct, frozen=True):
    """One property."""

    shape: "Shape"
    required: bool


class Record(msgspec.Struct, frozen=True):
    """An object whose declared properties are typed; others are left out and named."""

    fields: dict[str, Field]


Shape = Scalar | SetOf | Record
JSON = Scalar("json")
_KINDS = frozenset({"string", "integer", "number", "boolean"})
_ATTRIBUTES: dict[AttributeType, Shape] = {
    AttributeType.STRING: Scalar("string"),
    AttributeType.LONG: Scalar("integer"),
    AttributeType.BOOL: Scalar("boolean"),
    AttributeType.DECIMAL: Scalar("number"),
    AttributeType.SET_OF_STRING: SetOf(Scalar("string")),
}


def of_arguments(schema: dict[str, Any]) -> Record:
    """The record that `context.input` is for this contract."""
    return _record(schema, schema, 0)


def of_attributes(attributes: dict[str, AttributeType]) -> Record:
    """The record of task or tenant attributes; every one is optional."""
    return Record({name: Field(_ATTRIBUTES[kind], False) for name, kind in attributes.items()})


def _record(schema: dict[str, Any], root: dict[str, Any], depth: int) -> Record:
    properties = schema.get("properties")
    required = schema.get("required")
    names = set(required) if isinstance(required, list) else set()
    fields: dict[str, Field] = {}
    for name, inner in (properties if isinstance(properties, dict) else {}).items():
        if name not in _ESCAPES and len(fields) < _MAX_FIELDS:
            fields[name] = Field(_shape(inner, root, depth + 1), name in names)
    return Record(fields)


def _shape(schema: Any, root: dict[str, Any], depth: int) -> Shape:
    schema = _resolved(schema, root)
    if not isinstance(schema, dict) or depth > _MAX_DEPTH:
        return JSON
    kind = schema.get("type")
    if isinstance(kind, str) and kind in _KINDS:
        return Scalar(kind)
    if kind == "array":
        element = _shape(schema.get("items"), root, depth + 1)
        return SetOf(element) if isinstance(element, Scalar) and element != JSON else JSON
    if kind == "object" and isinstance(schema.get("properties"), dict) and schema["properties"]:
        return _record(schema, root, depth)
    return JSON


def _resolved(schema: Any, root: dict[str, Any]) -> Any:
    """A local `#/…` reference followed; anything else as it stands (and so becomes JSON text)."""
    for _ in range(_MAX_DEPTH):
        if not isinstance(schema, dict) or "$ref" not in schema:
            return schema
        reference = schema["$ref"]
        if not isinstance(reference, str) or not reference.startswith("#/"):
            return None
        target: Any = root
        for part in reference[2:].split("/"):
            name = part.replace("~1", "/").replace("~0", "~")
            target = target.get(name) if isinstance(target, dict) else None
        schema = target
    return None
