"""The published JSON Schemas, for editors; made from `layout`, so they cannot say anything else.

`python -m holdfast.compose.config.schema docs/reference` writes them again.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from holdfast.compose.config.layout import (
    AGENT,
    AGENT_FILE_EXTRA,
    CONTRACT,
    HOOKS,
    SETTINGS,
)
from holdfast.compose.config.limits import AlertList, LimitsShape
from holdfast.compose.config.loop_layout import LOOP
from holdfast.compose.config.shapes import Shape, Usd
from holdfast.model.budgets import Dimension, Scope

DRAFT = "https://json-schema.org/draft/2020-12/schema"


_SHAPES: Mapping[str, Shape] = {
    "agent": AGENT,
    "contract": CONTRACT,
    "hooks": HOOKS,
    "loop": LOOP,
    "dollars": Usd(),
    "alerts": AlertList(),
    "task_limits": LimitsShape(Scope.TASK),
    "user_limits": LimitsShape(Scope.USER),
}
"""Parts that stand in several places; limits of tasks and sessions read alike, as the others do."""


def _definitions() -> dict[str, dict[str, Any]]:
    parts = {name: shape.schema() for name, shape in _SHAPES.items()}
    for name, dimension in (("money", Dimension.USD), ("count", Dimension.TOKENS)):
        parts[f"{name}_limit"] = parts["task_limits"]["properties"][dimension]
        parts[f"{name}_windows"] = parts["user_limits"]["properties"][dimension]
    return parts


def _with_references(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with its repeated parts under `$defs`, so that a person can read it."""
    parts = _definitions()
    names = {_key(part): name for name, part in parts.items()}
    waiting: list[str] = []
    found: dict[str, Any] = {}

    def replaced(value: Any) -> Any:
        if isinstance(value, list):
            return [replaced(item) for item in value]
        if not isinstance(value, dict):
            return value
        name = names.get(_key(value))
        if name is None:
            return {key: replaced(item) for key, item in value.items()}
        waiting.append(name)
        kept = {k: v for k, v in value.items() if k in _ANNOTATIONS}
        return {"$ref": f"#/$defs/{name}"} | kept

    body = {key: replaced(item) for key, item in schema.items()}
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = {key: replaced(item) for key, item in parts[name].items()}
    return body | {"$defs": {name: found[name] for name in sorted(found)}}


_ANNOTATIONS = ("description", "default")


def _key(part: dict[str, Any]) -> bytes:
    bare = {k: v for k, v in part.items() if k not in _ANNOTATIONS}
    return msgspec.json.encode(bare, order="deterministic")


def config_schema() -> dict[str, Any]:
    """JSON Schema of `holdfast.yaml`."""
    return {"$schema": DRAFT, "title": "holdfast.yaml"} | _with_references(SETTINGS.schema())


def agent_schema() -> dict[str, Any]:
    """JSON Schema of an agent file."""
    agent = _with_references(AGENT.schema())
    extra = {k: f.shape.schema() | {"description": f.doc} for k, f in AGENT_FILE_EXTRA.items()}
    head = {"$schema": DRAFT, "title": "agent file of Holdfast"}
    return head | agent | {"properties": extra | agent["properties"]}


def schema_files() -> dict[str, bytes]:
    """Name to content of every published schema."""
    return {
        "holdfast.schema.json": _pretty(config_schema()),
        "holdfast-agent.schema.json": _pretty(agent_schema()),
    }


def _pretty(schema: dict[str, Any]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(schema), indent=2) + b"\n"


def main(folder: str) -> None:
    """Write the schemas into a folder."""
    for name, content in schema_files().items():
        (Path(folder) / name).write_bytes(content)


if __name__ == "__main__":
    main(sys.argv[1])
