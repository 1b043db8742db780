"""Attributes of tasks and tenants: the values that policy compares, with a type each.

A number with a decimal point is a Cedar decimal (four places, exact); it leaves this package as
text (`"0.5000"` stays `"0.5"`), because JSON numbers lose digits. A list is a set of strings.
"""

import enum
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from holdfast.compose.config.model import AttributeValue
from holdfast.compose.config.nodes import Node, NodeKind
from holdfast.compose.config.problems import key_path
from holdfast.compose.config.shapes import INVALID, ListOf, Reading, Text, mismatch

NAME_PATTERN = r"^[A-Za-z][A-Za-z0-9_]{0,63}$"
_LEAST_LONG, _MOST_LONG = -(2**63), 2**63 - 1
_DECIMAL = re.compile(r"[-+]?[0-9]{1,15}\.[0-9]{1,4}")
_MOST_DECIMAL = Decimal(900_000_000_000_000)


class AttributeType(enum.StrEnum):
    """Types as the policy schema knows them."""

    STRING = "string"
    LONG = "long"
    BOOL = "bool"
    DECIMAL = "decimal"
    SET_OF_STRING = "set_of_string"


def type_of(value: AttributeValue) -> AttributeType:
    """The policy type of a value."""
    match value:
        case bool():
            return AttributeType.BOOL
        case int():
            return AttributeType.LONG
        case Decimal():
            return AttributeType.DECIMAL
        case str():
            return AttributeType.STRING
        case _:
            return AttributeType.SET_OF_STRING


def as_json(attributes: Mapping[str, AttributeValue]) -> dict[str, Any]:
    """The attributes as JSON values; decimals as text, sets as lists."""
    found: dict[str, Any] = {}
    for name, value in attributes.items():
        if isinstance(value, Decimal):
            found[name] = format(value, "f")
        else:
            found[name] = list(value) if isinstance(value, tuple) else value
    return found


class Attributes(msgspec.Struct, frozen=True):
    """A mapping from attribute names to scalars or lists of text."""

    def read(self, node: Node, reading: Reading, path: str) -> Any:
        """A dict of AttributeValue."""
        if node.kind is not NodeKind.MAP:
            return mismatch(node, reading, path, "a mapping")
        found: dict[str, Any] = {}
        for key, value in node.entries:
            below = key_path(path, key.text)
            reading.places[below] = key
            if not re.fullmatch(NAME_PATTERN[1:-1], key.text):
                says = "a letter, then letters, digits and underscores"
                reading.problem(key, below, f"the name {key.shown()} must be {says}")
                found[key.text] = INVALID
            else:
                found[key.text] = _value(value, reading, below)
        return INVALID if any(v is INVALID for v in found.values()) else found

    def schema(self) -> dict[str, Any]:
        """An object of scalars and lists of strings."""
        words = {"type": "array", "items": {"type": "string", "minLength": 1}, "uniqueItems": True}
        scalar = {"type": ["string", "integer", "number", "boolean"]}
        return {
            "type": "object",
            "propertyNames": {"pattern": NAME_PATTERN},
            "additionalProperties": {"anyOf": [scalar, words]},
        }


def _value(node: Node, reading: Reading, path: str) -> Any:
    match node.kind:
        case NodeKind.FLAG:
            return node.text.lower() == "true"
        case NodeKind.WHOLE:
            value = int(node.text.rstrip("_").replace("_", ""))
            if not _LEAST_LONG <= value <= _MOST_LONG:
                return mismatch(node, reading, path, "a whole number of 64 bits")
            return value
        case NodeKind.REAL:
            if not _DECIMAL.fullmatch(node.text) or abs(Decimal(node.text)) > _MOST_DECIMAL:
                return mismatch(node, reading, path, "a decimal with one to four places")
            return Decimal(node.text)
        case NodeKind.TEXT:
            return Text(max_chars=4096).read(node, reading, path)
        case NodeKind.LIST:
            return ListOf(item=Text(max_chars=4096)).read(node, reading, path)
        case _:
            return mismatch(node, reading, path, "text, a number, a flag or a list of text")
