"""A smallest value that fits a JSON schema, for structured output that no script answers.

Covers what clients send (objects, arrays, scalars, enum, const, local `$ref`, anyOf/oneOf/allOf);
other keywords are ignored, so a value may break an exotic one such as `pattern`.
"""

from __future__ import annotations

from typing import Any

_DEPTH_LIMIT = 16


def minimal_value(schema: dict[str, Any]) -> Any:
    """The value; properties named `title` and the like get a short readable text."""
    return _value(schema, schema, "", 0)


def _value(schema: Any, root: dict[str, Any], name: str, depth: int) -> Any:
    if not isinstance(schema, dict) or depth > _DEPTH_LIMIT:
        return None
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if schema.get("enum"):
        return schema["enum"][0]
    if "$ref" in schema:
        return _value(_resolve(str(schema["$ref"]), root), root, name, depth + 1)
    for key in ("anyOf", "oneOf"):
        if schema.get(key):
            return _value(schema[key][0], root, name, depth + 1)
    if schema.get("allOf"):
        merged: dict[str, Any] = {key: value for key, value in schema.items() if key != "allOf"}
        for part in schema["allOf"]:
            found = _resolve(str(part["$ref"]), root) if "$ref" in part else part
            properties = {**merged.get("properties", {}), **found.get("properties", {})}
            required = [*merged.get("required", []), *found.get("required", [])]
            merged = {**merged, **found, "properties": properties, "required": required}
        return _value(merged, root, name, depth + 1)
    return _typed(schema, root, name, depth)


def _typed(schema: dict[str, Any], root: dict[str, Any], name: str, depth: int) -> Any:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = kind[0] if kind else None
    if kind == "object" or (kind is None and "properties" in schema):
        properties = schema.get("properties", {})
        return {
            key: _value(properties.get(key, {}), root, key, depth + 1)
            for key in schema.get("required", properties)
        }
    if kind == "array":
        return [
            _value(schema.get("items", {}), root, name, depth + 1)
            for _ in range(schema.get("minItems", 0))
        ]
    if kind == "string":
        text = f"scripted {name}".strip()
        return text.ljust(schema.get("minLength", 0), ".")[
            : schema.get("maxLength", len(text) + schema.get("minLength", 0))
        ]
    if kind in ("integer", "number"):
        return schema.get("minimum", 0)
    return True if kind == "boolean" else None


def _resolve(ref: str, root: dict[str, Any]) -> Any:
    found: Any = root
    for step in ref.removeprefix("#/").split("/"):
        found = found.get(step) if isinstance(found, dict) else None
    return found
