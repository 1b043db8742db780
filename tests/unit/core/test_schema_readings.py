"""What is said of a tool's schema, and of a server's beside a contract's, schema by schema.

`tool_schemas.json` holds the schemas and what is said of each; it was read over when it
was written.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from holdfast.core import tool_schemas
from holdfast.core.tool_schemas import (
    differences,
    nodes,
    open_objects,
    unbounded,
    undescribed,
    untyped,
)

READ = json.loads(Path(__file__).with_name("tool_schemas.json").read_text(encoding="utf-8"))
AMOUNTS = frozenset({"much", "n", "much2", "p"})


def test_a_schema_is_said_to_be_open_untyped_unbounded_and_undescribed_where_it_is():
    for entry in READ["schemas"]:
        schema = entry["schema"]
        said = {
            "schema": schema,
            "nodes": [path for path, _ in nodes(schema)],
            "open": open_objects(schema),
            "untyped": untyped(schema),
            "unbounded": unbounded(schema, AMOUNTS),
            "undescribed": undescribed(schema),
        }
        assert said == entry


def test_where_a_call_that_fits_the_contract_need_not_fit_the_server_is_said():
    for entry in READ["differences"]:
        said = differences(entry["contract"], entry["server"])
        assert said == entry["said"], (entry["contract"], entry["server"])


@pytest.mark.parametrize(("most", "walked"), [(1, 1), (2, 2), (3, 3), (9, 3)])
def test_no_more_schemas_are_walked_than_the_most_and_none_deeper(monkeypatch, most, walked):
    schema: dict[str, Any] = {"items": {"items": {}}}
    monkeypatch.setattr(tool_schemas, "_MOST_NODES", most)
    assert [path for path, _ in nodes(schema)] == ["", "[]", "[][]"][:walked]
    monkeypatch.undo()
    monkeypatch.setattr(tool_schemas, "_MOST_DEPTH", most)
    assert [path for path, _ in nodes(schema)] == ["", "[]", "[][]"][:walked]


def test_schemas_that_are_too_intricate_are_said_to_be_and_the_deepest_are_taken_as_alike(
    monkeypatch,
):
    ours, theirs = {"items": {"items": {"type": "a"}}}, {"items": {"items": {"type": "b"}}}
    assert differences(ours, theirs) == ["`[][]` is a, for the server b"]
    monkeypatch.setattr(tool_schemas, "_MOST_DEPTH", 1)
    assert differences(ours, theirs) == []
    monkeypatch.undo()
    for most, said in ((3, ["`[][]` is a, for the server b"]),
                       (2, ["the schemas are too intricate to compare"])):  # fmt: skip
        monkeypatch.setattr(tool_schemas, "_MOST_NODES", most)
        assert differences(ours, theirs) == said
