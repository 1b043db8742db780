"""What the code writes into the journal is held against the shapes, and each shape is written."""

import ast
from collections.abc import Iterator

import msgspec

from holdfast.model import bodies
from holdfast.model.bodies import KINDS, Body
from tests.tidy.repository import SOURCE, Nodes, nodes_of, source_modules

SHAPES: tuple[type[Body], ...] = (*KINDS, bodies.Tally)
NAMED = {body.__name__: body for body in SHAPES}
# Who may look at a body as JSON: the stores keep it, alerts hand it on whole.
AS_JSON = {
    "core/alerts.py",
    "model/bodies/base.py",
    "ports/store_refusals.py",
    "testing/conformance/store.py",
    "testing/memory_costs.py",
}
# Who may make a record: the journal, the stores out of a row, a worker of what it just told.
MAKES = {
    "compose/hooks.py",
    "integrations/native/tool_turns.py",
    "ports/store_rows.py",
    "runtime/journal.py",
    "testing/conformance/store.py",
}


def modules() -> Iterator[tuple[str, Nodes]]:
    for path in source_modules():
        inner = path.relative_to(SOURCE).as_posix()
        if not inner.startswith("model/bodies/"):
            yield inner, nodes_of(path)


def shape_of(node: ast.expr) -> type[Body] | None:
    """The shape that `bodies.X` or `X` names."""
    if isinstance(node, ast.Attribute):
        is_ours = isinstance(node.value, ast.Name) and node.value.id == "bodies"
        return NAMED.get(node.attr) if is_ours else None
    return NAMED.get(node.id) if isinstance(node, ast.Name) else None


def imported(nodes: Nodes, module: str) -> set[str]:
    """Names that a module takes from another one."""
    froms = [node for node in nodes if isinstance(node, ast.ImportFrom)]
    return {alias.name for node in froms if node.module == module for alias in node.names}


def writes() -> Iterator[tuple[str, type[Body], ast.Call]]:
    for inner, nodes in modules():
        own = imported(nodes, "holdfast.model.bodies")
        for node in nodes:
            if not isinstance(node, ast.Call) or (shape := shape_of(node.func)) is None:
                continue
            if isinstance(node.func, ast.Attribute) or shape.__name__ in own:
                yield f"{inner}:{node.lineno}", shape, node


def told_wrong(shape: type[Body], call: ast.Call) -> list[str | None]:
    """Fields that a write gives and its shape has not, or the other way about."""
    fields = msgspec.structs.fields(shape)
    given = {word.arg for word in call.keywords}
    wrong = given - {field.name for field in fields} - {None}
    if None not in given:
        wrong |= {field.name for field in fields if field.required} - given
    return [*sorted(map(str, wrong)), *map(ast.unparse, call.args)]


def test_a_write_gives_what_its_shape_always_says_and_nothing_else():
    found = list(writes())
    assert len(found) > 60
    wrong = {where: odd for where, shape, call in found if (odd := told_wrong(shape, call))}
    assert wrong == {}


def test_the_rule_sees_what_a_write_leaves_out_and_adds():
    def call(text: str) -> ast.Call:
        node = ast.parse(text, mode="eval").body
        assert isinstance(node, ast.Call)
        return node

    class Shape(Body, frozen=True):
        a: int
        b: int = 0

    assert told_wrong(Shape, call("Shape(a=1, b=2)")) == []
    assert told_wrong(Shape, call("Shape(**these)")) == []
    assert told_wrong(Shape, call("Shape(b=1)")) == ["a"]
    assert told_wrong(Shape, call("Shape(a=1, c=2)")) == ["c"]
    assert told_wrong(Shape, call("Shape(x, a=1)")) == ["x"]


def test_each_shape_is_written_somewhere():
    """By a call, or out of a choice or a table of shapes."""
    written: set[type[Body] | None] = {shape for _, shape, _ in writes()}
    for _, nodes in modules():
        for node in nodes:
            if isinstance(node, ast.Dict):
                written |= {shape_of(value) for value in node.values}
            if isinstance(node, ast.IfExp):
                written |= {shape_of(node.body), shape_of(node.orelse)}
    assert set(NAMED.values()) - written == set()


def test_nobody_reads_a_body_past_its_shape():
    found = [inner for inner in as_json() if inner not in AS_JSON]
    assert found == []


def as_json() -> Iterator[str]:
    """Modules that look at the body of something they call a record."""
    for inner, nodes in modules():
        for node in nodes:
            if (
                isinstance(node, ast.Attribute)
                and node.attr == "body"
                and isinstance(node.value, ast.Name)
                and node.value.id == "record"
            ):
                yield inner


def test_only_the_journal_and_the_stores_make_records():
    found = set()
    for inner, nodes in modules():
        if "Record" not in imported(nodes, "holdfast.model.events"):
            continue
        calls = [node for node in nodes if isinstance(node, ast.Call)]
        if any(isinstance(call.func, ast.Name) and call.func.id == "Record" for call in calls):
            found.add(inner)
    assert found == MAKES
