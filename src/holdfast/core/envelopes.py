"""The response envelope: its JSON Schema, and its check.

A harness, a hook and a test read the same shape whether the call worked or not. Not here: the
contract's own output schema (`core/contracts`).
"""

from typing import Any

import msgspec

from holdfast.core.schemas import SchemaFault, compile_schema
from holdfast.model.envelopes import Envelope
from holdfast.model.findings import Violation

ENVELOPE_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Tool response envelope",
    "type": "object",
    "properties": {
        "ok": {"type": "boolean"},
        "tool": {"type": "string", "minLength": 1},
        "call_id": {"type": "string", "minLength": 1},
        "output": True,
        "error": {
            "type": ["object", "null"],
            "properties": {
                "code": {"type": "string", "pattern": "^[a-z][a-z0-9_]*$", "maxLength": 64},
                "message": {"type": "string", "minLength": 1, "maxLength": 4096},
                "retryable": {"type": "boolean"},
            },
            "required": ["code", "message", "retryable"],
            "additionalProperties": False,
        },
        "duration_ms": {"type": "integer", "minimum": 0},
    },
    "required": ["ok", "tool", "call_id", "output", "error", "duration_ms"],
    "additionalProperties": False,
    "if": {"properties": {"ok": {"const": True}}},
    "then": {"properties": {"error": {"type": "null"}}},
    "else": {"properties": {"error": {"type": "object"}, "output": {"type": "null"}}},
}
_compiled = compile_schema(ENVELOPE_SCHEMA, strict=True)
if isinstance(_compiled, SchemaFault):  # pragma: no cover - a fault of this file
    raise TypeError(_compiled.reason)
_SCHEMA = _compiled


def to_wire(envelope: Envelope) -> dict[str, Any]:
    """The envelope as JSON values, every field present."""
    wire: dict[str, Any] = msgspec.structs.asdict(envelope)
    wire["error"] = None if envelope.error is None else msgspec.structs.asdict(envelope.error)
    return wire


def check_envelope(value: object) -> tuple[Violation, ...]:
    """What keeps `value` (an `Envelope`, or JSON values) from being a valid envelope."""
    return _SCHEMA.check(to_wire(value) if isinstance(value, Envelope) else value)
