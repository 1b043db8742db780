"""One struct a view: nothing else in the source has the fields of one, or its name at a door."""

import ast
from collections.abc import Iterator
from typing import NamedTuple

from tests.tidy.repository import SOURCE, Nodes, nodes_in, nodes_of, shown, source_modules

VIEWS = SOURCE / "model" / "views"
# Where a class of a view's name would be a second answer to the same question.
AT_DOORS = ("apps", "client", "integrations")


class Shape(NamedTuple):
    """A class with its annotated fields."""

    name: str
    fields: frozenset[str]
    where: str


def shapes(nodes: Nodes, where: str) -> Iterator[Shape]:
    for node in nodes:
        if isinstance(node, ast.ClassDef):
            named = [one.target for one in node.body if isinstance(one, ast.AnnAssign)]
            fields = [one.id for one in named if isinstance(one, ast.Name)]
            yield Shape(node.name, frozenset(fields), where)


def twice(known: list[Shape], others: list[Shape]) -> list[str]:
    """What is said a second time."""
    by_fields = {one.fields: one.name for one in known if len(one.fields) > 1}
    names = {one.name for one in known}
    found = [
        f"{one.where}: {one.name} has the fields of {by_fields[one.fields]}"
        for one in others
        if one.fields in by_fields
    ]
    found += [
        f"{one.where}: {one.name} is the name of a view"
        for one in others
        if one.name in names and one.fields and one.where.split("/")[2] in AT_DOORS
    ]
    return found


def test_nothing_in_the_source_is_a_view_for_the_second_time():
    known: list[Shape] = []
    others: list[Shape] = []
    for path in source_modules():
        found = shapes(nodes_of(path), shown(path))
        (known if VIEWS in path.parents else others).extend(found)
    assert len(known) >= 40
    assert twice(known, others) == []
    assert len({one.name for one in known}) == len(known), "two views share a name"
    large = [one.fields for one in known if len(one.fields) > 1]
    assert len(set(large)) == len(large), "two views have the same fields"


def test_the_rule_sees_fields_that_are_repeated_and_names_at_doors():
    def seen(text: str, where: str) -> list[Shape]:
        return list(shapes(nodes_in(text), where))

    known = seen("class A:\n    x: int\n    y: int\nclass B:\n    x: int\n", "v")
    other = "class {}:\n    y: str\n    x: int\n"
    assert twice(known, seen(other.format("C"), "src/holdfast/core/a.py"))
    assert twice(known, seen("class B:\n    z: int\n", "src/holdfast/client/a.py"))
    assert not twice(known, seen("class B:\n    z: int\n", "src/holdfast/core/a.py"))
    assert not twice(known, seen("class C:\n    x: int\n", "src/holdfast/apps/a.py"))
