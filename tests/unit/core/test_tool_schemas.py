"""Schemas of tools walked: every place inside of one, however it is nested, and never more than a bound."""

from typing import Any

import pytest

from holdfast.core.tool_schemas import nodes, open_objects

TEXT: dict[str, Any] = {"type": "string"}


@pytest.mark.parametrize(
    ("schema", "paths"),
    [
        ({"properties": {"a": TEXT, "b": {"properties": {"c": TEXT}}}}, ["", "a", "b", "b.c"]),
        ({"items": TEXT}, ["", "[]"]),
        ({"properties": {"a": {"items": {"items": TEXT}}}}, ["", "a", "a[]", "a[][]"]),
        ({"additionalProperties": TEXT}, ["", "*"]),
        ({"properties": {"a": {"additionalProperties": TEXT}}}, ["", "a", "a.*"]),
        ({"additionalProperties": False}, [""]),
        ({"$defs": {"x": TEXT}, "definitions": {"y": TEXT}}, ["", "x", "y"]),
        ({"anyOf": [TEXT, TEXT]}, ["", "", ""]),
        ({"anyOf": TEXT, "properties": [TEXT], "$defs": [TEXT]}, [""]),
    ],
)
def test_every_place_inside_of_a_schema_is_named(schema, paths):
    assert [path for path, _ in nodes(schema)] == paths


def test_a_schema_of_endless_width_or_depth_is_walked_up_to_a_bound():
    wide = {"properties": {str(n): TEXT for n in range(30_000)}}
    assert len(list(nodes(wide))) == 20_000
    deep: dict[str, Any] = TEXT
    for _ in range(100):
        deep = {"items": deep}
    assert len(list(nodes(deep))) == 40


@pytest.mark.parametrize(
    ("schema", "named"),
    [
        ({"type": "object", "properties": {}}, ["the arguments"]),
        ({"type": "object", "additionalProperties": False}, []),
    ],
)
def test_an_object_that_takes_what_nobody_declared_is_named(schema, named):
    assert open_objects(schema) == named
