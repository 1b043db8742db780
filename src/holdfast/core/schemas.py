"""JSON Schemas of tools: compiled so that nothing is fetched, checked so that nothing leaks.

A schema comes from an operator's file or from a foreign MCP server, so it is bounded and hostile
until compiled: no reference leaves the document, patterns run in linear time, messages are made
from the schema and never from the value.

Not here: which schema belongs to which tool (`core/contracts`).
"""

from typing import Any, NoReturn

import jsonschema_rs
import msgspec

from holdfast.core.canonical import Unrepresentable, canonical, unrepresentable
from holdfast.model.findings import Violation

MAX_SCHEMA_BYTES = 262_144
MAX_SCHEMA_DEPTH = 40
MAX_VIOLATIONS = 10
_MAX_PATTERN_BYTES = 1_000_000
_MAX_TEXT_CHARS = 200

_DRAFTS: dict[str, type[jsonschema_rs.Validator]] = {
    "": jsonschema_rs.Draft202012Validator,
    "https://json-schema.org/draft/2020-12/schema": jsonschema_rs.Draft202012Validator,
    "http://json-schema.org/draft-07/schema": jsonschema_rs.Draft7Validator,
}
_APPLICATORS = frozenset(
    {"$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "if", "then", "else", "dependentSchemas"}
)
_OPENNESS = ("additionalProperties", "unevaluatedProperties")


class SchemaFault(msgspec.Struct, frozen=True):
    """Why a schema is not accepted; `reason` is one lower-case sentence."""

    reason: str


class Schema:
    """A compiled schema; make one with `compile_schema`."""

    __slots__ = ("_validator",)

    def __init__(self, validator: jsonschema_rs.Validator) -> None:
        self._validator = validator

    def check(self, value: object) -> tuple[Violation, ...]:
        """What does not fit, at most `MAX_VIOLATIONS`; empty when the value fits."""
        fault = unrepresentable(value)
        if fault is not None:
            return (Violation("", "json", fault.reason),)
        try:
            if self._validator.is_valid(value):
                return ()
            found = []
            for error in self._validator.iter_errors(value):
                found.append(_violation(error))
                if len(found) == MAX_VIOLATIONS:
                    break
        except (ValueError, TypeError, RecursionError):
            return (Violation("", "json", "the value cannot be checked against the schema"),)
        return tuple(found) or (Violation("", "json", "the value does not fit the schema"),)


def compile_schema(schema: dict[str, Any], *, strict: bool) -> Schema | SchemaFault:
    """Compile `schema` (2020-12, or draft-07 when it says so) without fetching anything.

    `strict`: the top-level object refuses undeclared properties unless the schema itself says
    otherwise (`additionalProperties` or `unevaluatedProperties`).
    """
    fault = _bounds_fault(schema)
    if fault is not None:
        return fault
    named = schema.get("$schema", "")
    draft = _DRAFTS.get(named.removesuffix("#")) if isinstance(named, str) else None
    if draft is None:
        return SchemaFault("the schema names a dialect other than 2020-12 or draft-07")
    if strict:
        closed = _closed(schema, modern=draft is jsonschema_rs.Draft202012Validator)
        if isinstance(closed, SchemaFault):
            return closed
        schema = closed
    try:
        validator = draft(
            schema,
            validate_formats=True,
            retriever=_refuse_retrieval,
            # This engine is linear in the text; look-around and back-references do not compile.
            pattern_options=jsonschema_rs.RegexOptions(size_limit=_MAX_PATTERN_BYTES),
        )
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError) as error:
        return SchemaFault(f"the schema does not compile: {_first_line(str(error))}")
    except (ValueError, TypeError, RecursionError):
        return SchemaFault("the schema does not compile")
    return Schema(validator)


def _refuse_retrieval(_: str) -> NoReturn:
    raise ValueError("references outside the schema are refused")


def _bounds_fault(schema: dict[str, Any]) -> SchemaFault | None:
    encoded = canonical(schema)
    if isinstance(encoded, Unrepresentable):
        return SchemaFault(f"the schema is not json: {encoded.reason}")
    if len(encoded) > MAX_SCHEMA_BYTES:
        return SchemaFault(f"the schema is larger than {MAX_SCHEMA_BYTES} bytes")
    level: list[Any] = [schema]
    for _ in range(MAX_SCHEMA_DEPTH):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return None
    return SchemaFault(f"the schema nests deeper than {MAX_SCHEMA_DEPTH} levels")


def _closed(schema: dict[str, Any], *, modern: bool) -> dict[str, Any] | SchemaFault:
    if any(word in schema for word in _OPENNESS):
        return schema
    if _APPLICATORS.isdisjoint(schema):
        return {**schema, "additionalProperties": False}
    if modern:
        # `additionalProperties` does not see through `allOf` and its kin; this does.
        return {**schema, "unevaluatedProperties": False}
    return SchemaFault("a draft-07 schema composed at the top must say additionalProperties itself")


def _violation(error: jsonschema_rs.ValidationError) -> Violation:
    rule = str(error.kind.name)
    return Violation(_pointer(error.instance_path), rule, _text(rule, error.kind.as_dict()))


def _pointer(path: list[str | int]) -> str:
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in path)
    return _bounded("".join(f"/{part}" for part in parts))


def _text(rule: str, terms: dict[str, Any]) -> str:
    """One sentence from what the schema demands; unexpected names are the only foreign words."""
    match rule:
        case "required":
            text = f"`{terms['property']}` is required"
        case "additionalProperties" | "unevaluatedProperties":
            names = ", ".join(f"`{name}`" for name in terms.get("unexpected", ()))
            text = f"not declared by the contract: {names}"
        case "type":
            text = f"must be {' or '.join(terms['types'])}"
        case "enum":
            text = f"must be one of {terms['options']}"
        case "const":
            text = f"must be {terms['expected_value']!r}"
        case "format":
            text = f"must be a {terms['format']}"
        case "pattern":
            text = f"must match {terms['pattern']}"
        case _ if "limit" in terms:
            text = f"breaks {rule} {terms['limit']}"
        case _:
            text = f"breaks the schema's `{rule}`"
    return _bounded(text)


def _bounded(text: str) -> str:
    clean = "".join(char if char.isprintable() else "?" for char in text[: _MAX_TEXT_CHARS + 1])
    return clean if len(clean) <= _MAX_TEXT_CHARS else clean[: _MAX_TEXT_CHARS - 1] + "…"


def _first_line(text: str) -> str:
    return _bounded(text.split("\n", 1)[0])
